"""Reads what the stages of studies/ wrote to plots/, for the names in its params.yaml."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from klayer import params
from klayer.errors import KlayerError
from klayer.report.evidence import read_numbers

NETWORKS = ("variant", "value", "seed", "chosen", "validation_accuracy", "learnt")
CURVES = ("variant", "value", "step")
SHA256 = "parameters_sha256"  # text, though it may look like a number
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


def collect(sections: Mapping[str, Any] | None = None) -> tuple[list[Study], bool]:
    """All studies of these sections, by default those of params.yaml, and whether the images are
    synthetic.

    Raises KlayerError for a file that is missing, or not what the study asks for.
    """
    sections = sections or params.read()
    names = params.names(sections, "studies")
    studies = [_study(name, sections["studies"][name]) for name in names]
    return studies, bool(read_numbers(DATA)["synthetic"])


def _study(name: str, about: Mapping[str, Any]) -> Study:
    ask = about["ask"]
    tested = () if ask == "level" else ("test_accuracy",)
    networks = study_table(Path(f"plots/seeds/{name}.csv"), "seed", *NETWORKS, *tested)
    curves = study_table(Path(f"plots/curves/{name}.csv"), "step", *CURVES)
    return Study(name, about["question"], ask, networks, curves)


def study_table(path: Path, first: str, *needed: str) -> pd.DataFrame:
    """A CSV file of a study: text as it is written up to the column `first`, then numbers.

    Raises KlayerError when it cannot be read, is empty, or lacks a column.
    """
    again = f"run `dvc repro study@{path.stem}`"
    try:
        text = path.read_text(encoding="utf-8")
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
        columns = [str(column) for column in table]
        numbers = [name for name in columns[columns.index(first) :] if name != SHA256]
        table = table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})
        if not (text.endswith("\n") and len(table)) or table.isna().to_numpy().any():
            raise ValueError("it has been cut short")
    except FileNotFoundError:
        raise KlayerError(f"{path} is missing: {again}, which makes it") from None
    except (OSError, ValueError) as error:
        raise KlayerError(f"{path} cannot be read ({error}): {again} --force") from error
    if lacking := [name for name in needed if name not in table]:
        raise KlayerError(f"{path} has no {', '.join(lacking)}, which its study needs: {again}")
    return table
