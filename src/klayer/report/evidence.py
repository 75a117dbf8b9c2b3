"""Reads what the stages wrote to metrics/ and plots/, for the names in the settings."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from klayer import params
from klayer.errors import KlayerError
from klayer.report.statistics import Values

Read = TypeVar("Read", dict[str, Any], pd.DataFrame)
Pair = tuple["Run", "Run"]  # without and with BN
# Columns of text, in which None, NA or 007 is a name.
TEXT = """
actual predicted class phase network parameter question seeds direction word settings
parameters_sha256
"""


class Unanswered(Exception):  # noqa: N818 - no fault: the page says so
    """A question whose runs are missing, or are not what it asks. The message says why."""


@dataclass(frozen=True)
class Run:
    """What came of a run, an experiment or a training of the best λ: a network for each seed."""

    name: str
    settings: Mapping[str, Any]  # the section `training` with what the run changes
    seeds: pd.DataFrame  # a row for each seed (the index), its final measures
    curves: pd.DataFrame
    layers: pd.DataFrame  # step, layer, score_std, gradient_norm
    weights: Path  # PNG

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

    def at_start(self, quantity: str) -> pd.Series[float]:
        """A quantity by layer, at the first step of training."""
        first = self.layers["step"] == self.layers["step"].min()
        values: pd.Series[float] = self.layers[first].set_index("layer")[quantity]
        return values


class Evidence:
    """All that the report stands on. A file is read when it is asked for.

    Raises KlayerError when it is missing or cannot be read, with its name.
    """

    def __init__(self, sections: Mapping[str, Any]) -> None:
        """`sections` are those of params.yaml."""
        self.sections = sections
        self.schedules = [f"best_{name}" for name in params.names(sections, "search.schedules")]
        if not self.schedules:
            raise KlayerError("params.yaml: search.schedules is empty: add one, two_cycles: {}")

    @cached_property
    def runs(self) -> Mapping[str, Run]:
        """Experiments in the order of params.yaml, then best_SCHEDULE."""
        names = [*params.names(self.sections, "experiments"), *self.schedules]
        return {n: _run(n, settings_of(self.sections, n, self.best_l2)) for n in names}

    @property
    def best(self) -> Run:
        """The best λ, trained by the first schedule, that of the search."""
        return self.runs[self.schedules[0]]

    def run(self, name: str) -> Run:
        """Raises Unanswered where it is missing."""
        if name not in self.runs:
            raise Unanswered(f"params.yaml has no {name}")
        return self.runs[name]

    def pair(self, name: str) -> Pair:
        """The runs without and with BN. Raises Unanswered where one is missing."""
        return self.run(name), self.run(f"{name}_bn")

    def table(self, *names: str, measure: str = "test_accuracy") -> Values:
        """A row for each seed that all these runs have, in order; a column for each run."""
        columns = [self.run(name).seeds[measure] for name in names]
        return pd.concat(columns, axis=1, join="inner").sort_index().to_numpy(np.float64)

    @cached_property
    def best_l2(self) -> float:
        """The choice of the search."""
        return float(read_numbers("metrics/search_l2.json", "best_l2")["best_l2"])

    @cached_property
    def search_runs(self) -> pd.DataFrame:
        """Every network of the search: phase, l2, seed, validation_accuracy."""
        return read_table("plots/search_l2_runs.csv", "phase l2 seed validation_accuracy")

    @property
    def synthetic(self) -> bool:
        """Whether the images were made by the project itself."""
        return bool(read_numbers("metrics/data.json", "synthetic")["synthetic"])


def settings_of(sections: Mapping[str, Any], name: str, best_l2: float) -> dict[str, Any]:
    """The section `training` with what a run changes."""
    if name in sections["experiments"]:
        return dict(sections["training"]) | dict(sections["experiments"][name] or {})
    changes = dict(sections["search"]["schedules"][name.removeprefix("best_")] or {})
    return searching(sections) | {"l2": best_l2} | changes


def searching(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The section `training` with what the search changes."""
    return dict(sections["training"]) | dict(sections["search"].get("training") or {})


def _run(name: str, settings: Mapping[str, Any]) -> Run:
    folder = Path("plots/runs") / name
    seeds = Path("plots/seeds") / f"{name}.csv"
    measures = "seed test_accuracy validation_accuracy learnt"
    curves = "step learning_rate train_accuracy validation_accuracy validation_accuracy_std"
    by_seed = read_table(seeds, measures).set_index("seed")
    if not by_seed.index.is_unique:
        raise KlayerError(f"{seeds} has a seed twice: run `dvc repro` again")
    return Run(
        name,
        settings,
        seeds=by_seed,
        curves=read_table(f"plots/train/{name}.csv", curves),
        layers=read_table(folder / "layers.csv", "step layer score_std gradient_norm"),
        weights=folder / "weights.png",
    )


def read_numbers(path: str, keys: str) -> dict[str, Any]:
    """A JSON file of another stage. Raises KlayerError when it cannot be read, or lacks a key."""
    return read(path, keys, _numbers)


def _numbers(text: str) -> dict[str, Any]:
    numbers = dict(json.loads(text))
    if wrong := [name for name, value in numbers.items() if not isinstance(value, int | float)]:
        raise ValueError(f"{wrong[0]} is no number")
    return numbers


def read_table(path: str | Path, columns: str) -> pd.DataFrame:
    """A CSV file of another stage. Raises KlayerError when it cannot be read, or lacks a column."""
    return read(path, columns, _whole_table)


def _whole_table(text: str) -> pd.DataFrame:
    types = dict.fromkeys(TEXT.split(), str)
    table = pd.read_csv(io.StringIO(text), dtype=types, keep_default_na=False)
    if not text.endswith("\n") or (table.isna() | (table == "")).to_numpy().any():
        raise ValueError("it has been cut short")  # never as it was written
    numbers = table.drop(columns=types, errors="ignore")
    if table.empty or not np.isfinite(numbers.to_numpy(np.float64)).all():
        raise ValueError("it has been damaged")
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
