"""Reads what the stages of studies/ wrote to plots/, for the names in its params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from klayer import params
from klayer.report.evidence import read_numbers, read_table

DATA = "../metrics/data.json"  # of the pipeline that prepared the images


@dataclass(frozen=True)
class Study:
    """What came of a study: a row of `networks` for each."""

    name: str
    question: str
    ask: str
    networks: pd.DataFrame  # variant, value, what varies, seed, chosen, final measures
    curves: pd.DataFrame  # variant, value, step, means and deviations over seeds

    @property
    def variants(self) -> list[str]:
        """In the order of params.yaml; others are compared with the first."""
        return list(dict.fromkeys(self.networks["variant"]))

    @property
    def values(self) -> list[str]:
        """Of what varies, as they are shown; one that is empty where nothing does."""
        return list(dict.fromkeys(self.networks["value"]))

    @property
    def setting(self) -> str:
        """Which setting varies, in words; empty where none does."""
        return self.varied[0].replace("_", " ").removesuffix(" max") if self.varied else ""

    @property
    def varied(self) -> list[str]:
        """The settings that vary besides the variants: columns of `networks`."""
        columns = [str(column) for column in self.networks]
        return columns[columns.index("value") + 1 : columns.index("seed")]

    def at(self, variant: str, value: str, measure: str = "test_accuracy") -> pd.Series[float]:
        """A measure of a variant's networks at a value, by seed."""
        table = self.networks
        rows = table[(table["variant"] == variant) & (table["value"] == value)]
        return rows.set_index("seed")[measure]

    def chosen(self, variant: str, measure: str = "test_accuracy") -> pd.Series[float]:
        """A measure of a variant's networks with the best validation accuracy, by seed."""
        table = self.networks
        rows = table[(table["variant"] == variant) & (table["chosen"] == 1)]
        return rows.set_index("seed")[measure]


def collect() -> tuple[list[Study], bool]:
    """All studies, and whether the images are synthetic. Raises KlayerError for a missing file."""
    sections = params.read()
    names = params.names(sections, "studies")
    studies = [_study(name, sections["studies"][name]) for name in names]
    return studies, bool(read_numbers(DATA)["synthetic"])


def _study(name: str, about: Mapping[str, Any]) -> Study:
    tables = []
    for kind in ("seeds", "curves"):
        table = read_table(f"plots/{kind}/{name}.csv")
        tables.append(table.assign(value=table["value"].map(_shown)))
    return Study(name, about["question"], about["ask"], *tables)


def _shown(value: object) -> str:
    """As it was written: pandas reads numbers where it can."""
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:g}"
    return str(value)
