"""Reads what the stages of studies/ wrote to plots/, and names it in plain words."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from klayer import params
from klayer.errors import KlayerError
from klayer.report.evidence import read, read_number

NETWORKS = "variant value seed chosen validation_accuracy learnt"
SHA256 = "parameters_sha256"  # text, though it may look like a number
DATA = "../metrics/data.json"  # of the pipeline that prepared the images
WORDS = {"adam": "Adam", "bn": "BN", "he": "He", "hidden": "hidden layers", "l2": "L2"}
WORDS |= {"no": "without", "sgd": "SGD", "xavier": "Xavier"}


@dataclass(frozen=True)
class Study:
    """What came of a study: a row of `networks` for each."""

    name: str
    question: str
    ask: str
    networks: pd.DataFrame  # variant, value, what varies, seed, chosen, final measures

    @property
    def variants(self) -> list[str]:
        """In the order of params.yaml; others are compared with the first."""
        return list(dict.fromkeys(self.networks["variant"]))

    @property
    def values(self) -> list[str]:
        """Of what varies, as the table has them; one that is empty where nothing does."""
        return list(dict.fromkeys(self.networks["value"]))

    @property
    def varied(self) -> list[str]:
        """The settings that vary besides the variants: columns of `networks`."""
        columns = [str(column) for column in self.networks]
        return columns[columns.index("value") + 1 : columns.index("seed")]

    @property
    def setting(self) -> str:
        """Which setting varies, in words; empty where none does."""
        return in_words(self.varied[0]) if self.varied else ""

    @property
    def source(self) -> str:
        """How to get the numbers."""
        stage = f"study@{self.name}"
        return (
            f"studies/plots/seeds/{self.name}.csv · stage {stage} · dvc repro {stage}, in studies/"
        )

    def label(self, variant: str) -> str:
        """A variant in words; one that joins others is called after them: BN and skips."""
        parts = variant.split("_")
        joined = len(parts) > 1 and set(parts) <= set(self.variants)
        return " and ".join(map(in_words, parts)) if joined else in_words(variant)

    def place(self, value: str) -> str:
        """Where a comparison was made, in words: with 9 layers, at batch size 10, without BN."""
        if not value:
            return ""
        plain = {v.replace(" batch_norm", "") for v in self.values}
        if self.varied[0] == "block" and len(plain) < len(self.values):
            return "with BN" if "batch_norm" in value else "without BN"
        if self.varied[0] == "hidden":
            return f"with {value}" if value.endswith("layers") else f"with {value} units"
        return f"at {self.setting} {in_words(value)}"

    def at(self, variant: str, value: str, measure: str = "test_accuracy") -> pd.Series[float]:
        """A measure of a variant's networks at a value, by seed."""
        return self._by_seed(variant, "value", value, measure)

    def chosen(self, variant: str, measure: str = "test_accuracy") -> pd.Series[float]:
        """A measure of a variant's networks with the best validation accuracy, by seed."""
        return self._by_seed(variant, "chosen", 1, measure)

    def _by_seed(self, variant: str, column: str, cell: object, measure: str) -> pd.Series[float]:
        rows = (self.networks["variant"] == variant) & (self.networks[column] == cell)
        return self.networks[rows].set_index("seed")[measure]


def in_words(name: str) -> str:
    """A name of the settings in words: learning rate, without BN."""
    parts = name.removesuffix("_max").replace("_", " ").split()
    return " ".join(WORDS.get(part, part) for part in parts)


def collect(sections: Mapping[str, Any]) -> tuple[list[Study], bool]:
    """All studies of the sections of params.yaml, and whether the images are synthetic.

    Raises KlayerError for a file that is missing, or not what the study asks for.
    """
    names = params.names(sections, "studies")
    studies = [_study(name, sections["studies"][name]) for name in names]
    return studies, bool(read_number(DATA, "synthetic"))


def _study(name: str, about: Mapping[str, Any]) -> Study:
    tested = "" if about["ask"] == "level" else " test_accuracy"
    path = Path(f"plots/seeds/{name}.csv")
    networks = study_table(path, NETWORKS + tested)
    chosen = networks[networks["chosen"] == 1]
    counts = pd.crosstab(chosen["variant"], chosen["seed"])  # one for each variant and seed
    if set(counts.index) != set(about["variants"]) or not (counts == 1).to_numpy().all():
        raise KlayerError(f"{path} lacks networks: run `dvc repro` again")
    return Study(name, about["question"], about["ask"], networks)


def study_table(path: Path, columns: str) -> pd.DataFrame:
    """A CSV file of a study: text as it is written up to the column `seed`, then numbers.

    Raises KlayerError when it cannot be read, is empty, or lacks a column.
    """
    return read(path, columns, _parse)


def _parse(text: str) -> pd.DataFrame:
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    columns = [str(column) for column in table]
    numbers = [name for name in columns[columns.index("seed") :] if name != SHA256]
    table = table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})
    if not (text.endswith("\n") and len(table)) or table.isna().to_numpy().any():
        raise ValueError("it has been cut short")
    twice = table.duplicated([name for name in ("variant", "value", "seed") if name in table])
    if twice.any() or not np.isfinite(table[numbers].to_numpy(np.float64)).all():
        raise ValueError("it has been damaged")
    return table
