"""Reads the results of the studies, and puts variants, settings and values into words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from klayer.errors import KlayerError
from klayer.report.evidence import parse_table, read

COLUMNS = "variant value seed chosen validation_accuracy learnt"
WORDS = {"adam": "Adam", "bn": "BN", "he": "He", "hidden": "hidden layers", "l2": "L2"}
WORDS |= {"no": "without", "sgd": "SGD", "xavier": "Xavier"}
MEASURES = {
    "validation_accuracy": "validation",
    "validation_accuracy_views": "validation over ten views",
    "test_accuracy": "test",
    "test_accuracy_views": "test over ten views",
}


@dataclass(frozen=True)
class Study:
    """The results of a study: a row of `networks` for each network."""

    name: str
    question: str
    ask: str
    networks: pd.DataFrame  # variant, value, what varies, seed, chosen, final measures

    @property
    def variants(self) -> list[str]:
        """In the order of params.yaml; others are compared with the first."""
        return list(self.networks["variant"].unique())

    @property
    def values(self) -> list[str]:
        """Of what varies, as the table has them; one that is empty where nothing does."""
        return list(self.networks["value"].unique())

    @property
    def varied(self) -> list[str]:
        """The settings that vary besides the variants: columns of `networks`."""
        columns = [str(column) for column in self.networks]
        return columns[columns.index("value") + 1 : columns.index("seed")]

    @property
    def setting(self) -> str:
        """Which setting varies, in words; empty where none does."""
        return name_in_words(self.varied[0]) if self.varied else ""

    @property
    def source(self) -> str:
        """How to get the numbers."""
        table, stage = f"studies/plots/seeds/{self.name}.csv", f"study@{self.name}"
        return f"{table} · stage {stage} · dvc repro {stage}, in studies/"

    def label(self, variant: str) -> str:
        """A variant in words. One that combines other variants is called BN and skips."""
        parts = variant.split("_")
        if len(parts) > 1 and set(parts) <= set(self.variants):
            return " and ".join(map(name_in_words, parts))
        return name_in_words(variant)

    def place(self, value: str) -> str:
        """The value of a comparison, in words: with 9 layers, at batch size 10, without BN."""
        if not value:
            return ""
        plain = {v.replace(" batch_norm", "") for v in self.values}
        if self.varied[0] == "block" and len(plain) < len(self.values):
            return "with BN" if "batch_norm" in value else "without BN"
        if self.varied[0] == "hidden":
            return f"with {value}" if value.endswith("layers") else f"with {value} units"
        return f"at {self.setting} {name_in_words(value)}"

    def at(self, variant: str, value: str) -> pd.Series[float]:
        """Test accuracy of a variant's networks at a value, by seed."""
        rows = self.networks.query("variant == @variant and value == @value")
        return rows.set_index("seed")["test_accuracy"]

    def chosen(self, variant: str, measure: str = "test_accuracy") -> pd.Series[float]:
        """A measure of a variant's networks with the best validation accuracy, by seed."""
        rows = self.networks.query("variant == @variant and chosen == 1")
        return rows.set_index("seed")[measure]


def name_in_words(name: str) -> str:
    """The name of a setting or a variant, in words: learning rate, without BN."""
    parts = name.removesuffix("_max").replace("_", " ").split()
    return " ".join(WORDS.get(part, part) for part in parts)


def read_study(name: str, asked: Mapping[str, Any]) -> Study:
    """The results of the study NAME; `asked` is its section of params.yaml.

    Raises KlayerError when its table is missing, cut short or damaged, or lacks networks.
    """
    path = Path(f"plots/seeds/{name}.csv")
    tested = "" if asked["ask"] == "level" else " test_accuracy"
    networks = read(path, COLUMNS + tested, _parse)
    across = asked.get("across") or {}
    values = {v: _values(changes or {}, across) for v, changes in asked["variants"].items()}
    trained = pd.crosstab(networks["variant"], networks["seed"])
    chosen = networks.groupby(["variant", "seed"])["chosen"].sum()
    whole = trained.eq(pd.Series(values), axis=0).all(axis=None) and chosen.eq(1).all()
    if not whole or networks.duplicated(["variant", "value", "seed"]).any():
        raise KlayerError(f"{path} lacks networks, or has one twice: run `dvc repro` again")
    return Study(name, asked["question"], asked["ask"], networks)


def _values(variant: Mapping[str, Any], across: Mapping[str, Any]) -> int:
    """How many networks of each seed a variant has."""
    if random := variant.get("random"):
        return int(random["count"])
    if grid := variant.get("grid"):
        return math.prod(map(len, grid.values()))
    return len(next(iter(across.values()), [""]))


def _parse(text: str) -> pd.DataFrame:
    """The table of a study: columns before `seed` are text."""
    columns = text.partition("\n")[0].split(",")
    return parse_table(text, [*columns[: columns.index("seed")], "parameters_sha256"])
