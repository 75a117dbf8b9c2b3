"""Reads the results of the stages, metrics/ and plots/, of the runs that params.yaml names."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from klayer.errors import KlayerError
from klayer.report.statistics import Values
from klayer.report.words import Settings, differences, normalises

Read = TypeVar("Read", "pd.Series[float]", pd.DataFrame)
SMALLEST = 1e-12  # in charts over the layers, smaller values are drawn here
Pair = tuple["Run", "Run"]  # without and with BN
# Columns of text: None, NA or 007 is a name there.
TEXT = """
actual predicted class phase network parameter question seeds direction word settings
parameters_sha256
"""


class Unanswered(Exception):  # noqa: N818 - not an error: the page says why
    """A question cannot be answered: its runs are missing, or have other settings than it asks."""


@dataclass(frozen=True)
class Run:
    """The results of a run: an experiment, or a training of the best λ. Each seed is a network."""

    name: str
    settings: Settings  # the section `training` with what the run changes
    seeds: pd.DataFrame  # a row for each seed (the index), its final measures

    @property
    def folder(self) -> Path:
        """Pictures and tables of its networks."""
        return Path("plots/runs") / self.name

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Means over the seeds, and their deviations, by step."""
        columns = "step learning_rate train_accuracy validation_accuracy validation_accuracy_std"
        return read_table(f"plots/train/{self.name}.csv", columns)

    def at_start(self, quantity: str) -> pd.Series[float]:
        """A quantity by layer, at the first step of training; at least SMALLEST."""
        layers = read_table(self.folder / "layers.csv", "step layer score_std gradient_norm")
        first = layers[layers["step"] == layers["step"].min()]
        values: pd.Series[float] = first.set_index("layer")[quantity]
        return values.clip(lower=SMALLEST)

    @property
    def fading(self) -> float:
        """How many times smaller the last layer's scores are than the first's, at the start."""
        scores = self.at_start("score_std")
        return float(scores.iloc[0] / scores.iloc[-1])

    @property
    def test_accuracy(self) -> pd.Series[float]:
        """By seed."""
        return self.seeds["test_accuracy"]

    @property
    def failed(self) -> str:
        """How many networks failed to train (diverged, or stayed at chance level): 6 of 8."""
        return f"{(self.seeds['learnt'] == 0).sum()} of {len(self.seeds)}"

    @property
    def stage(self) -> str:
        """Of dvc.yaml, which trains it."""
        best = self.name.startswith("best_")
        return f"train_best@{self.name.removeprefix('best_')}" if best else f"train@{self.name}"


class Evidence:
    """All results behind the report. A file is read when it is needed first.

    Raises KlayerError, which names the file, when it is missing or cannot be read.
    """

    def __init__(self, sections: Mapping[str, Any]) -> None:
        """`sections` are those of params.yaml."""
        self.sections = sections
        self.schedules = [f"best_{name}" for name in sections["search"]["schedules"]]
        self.asked: set[str] = set()  # names of the runs that `run` was asked for

    @cached_property
    def runs(self) -> Mapping[str, Run]:
        """Experiments in the order of params.yaml, then best_SCHEDULE."""
        training, search = self.sections["training"], self.sections["search"]
        best = self.searching | {"l2": self.best_l2}
        settings = {n: {**training, **c} for n, c in self.sections["experiments"].items()}
        settings |= {f"best_{n}": {**best, **c} for n, c in search["schedules"].items()}
        return {name: Run(name, known, _seeds(name)) for name, known in settings.items()}

    @property
    def searching(self) -> dict[str, Any]:
        """The section `training` with what the search changes."""
        return {**self.sections["training"], **self.sections["search"]["training"]}

    @property
    def best(self) -> Run:
        """The best λ, trained by the first schedule, that of the search."""
        return self.runs[self.schedules[0]]

    def run(self, name: str) -> Run:
        """The run of this name. Raises Unanswered when params.yaml does not have it."""
        if name not in self.runs:
            raise Unanswered(f"params.yaml has no {name}")
        self.asked.add(name)
        return self.runs[name]

    def pair(self, name: str) -> Pair:
        """The runs NAME and NAME_bn. Raises Unanswered when one is missing or more differs."""
        return only_bn((self.run(name), self.run(f"{name}_bn")))

    def table(self, *names: str, measure: str = "test_accuracy") -> Values:
        """A row for each seed that all these runs have, in order; a column for each run."""
        columns = [self.run(name).seeds[measure] for name in names]
        return pd.concat(columns, axis=1, join="inner").sort_index().to_numpy(np.float64)

    @cached_property
    def best_l2(self) -> float:
        """The λ that the search chose."""
        return read_number("metrics/search_l2.json", "best_l2")

    @cached_property
    def search_runs(self) -> pd.DataFrame:
        """Every network of the search: phase, l2, seed, validation_accuracy."""
        return read_table("plots/search_l2_runs.csv", "phase l2 seed validation_accuracy")


def only_bn(pair: Pair) -> Pair:
    """Returns the pair. Raises Unanswered unless the second run is the first one with BN."""
    plain, other = (
        {**run.settings, "block": [name for name in run.settings["block"] if name != "batch_norm"]}
        for run in pair
    )
    different = differences(other, plain)
    if [normalises(run.settings) for run in pair] != [False, True]:
        different = "BN is not in the second alone"
    if different:
        raise Unanswered(f"{pair[1].name} differs from {pair[0].name} in more than BN: {different}")
    return pair


def _seeds(name: str) -> pd.DataFrame:
    """The final measures of a run's networks, by seed."""
    path = f"plots/seeds/{name}.csv"
    seeds = read_table(path, "seed test_accuracy validation_accuracy learnt").set_index("seed")
    if not seeds.index.is_unique:
        raise KlayerError(f"{path} has a seed twice: run `dvc repro` again")
    return seeds


def read_number(path: str, key: str) -> float:
    """A number of a metrics file. Raises KlayerError when it is missing or cannot be read."""
    numbers = read(path, key, lambda text: pd.Series(json.loads(text), dtype=np.float64))
    return float(numbers[key])


def read_table(path: str | Path, columns: str) -> pd.DataFrame:
    """A CSV file of another stage. Raises KlayerError when it cannot be read, or lacks a column."""
    return read(path, columns, lambda text: parse_table(text, TEXT.split()))


def parse_table(text: str, text_columns: Sequence[str]) -> pd.DataFrame:
    """A CSV file: the text columns as they are written, all others as finite numbers.

    Raises ValueError when the file was cut short or a number is damaged.
    """
    types = dict.fromkeys(text_columns, str)
    table = pd.read_csv(io.StringIO(text), dtype=types, keep_default_na=False)
    numbers = table.drop(columns=types, errors="ignore").to_numpy(np.float64)
    if not (text.endswith("\n") and len(table) and np.isfinite(numbers).all()):
        raise ValueError("it was cut short or damaged")
    return table


def read(path: str | Path, names: str, parse: Callable[[str], Read]) -> Read:
    """A file, parsed. Raises KlayerError when it cannot be read, or lacks one of the names."""
    try:
        parsed = parse(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise KlayerError(f"{path} is missing: run `dvc repro`, which makes it") from None
    except (OSError, ValueError, TypeError) as error:
        raise KlayerError(f"{path} cannot be read ({error}): run `dvc repro` again") from error
    if lacking := [name for name in names.split() if name not in parsed]:
        raise KlayerError(f"{path} has no {', '.join(lacking)}: run `dvc repro` again")
    return parsed
