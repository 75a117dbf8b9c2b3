"""Reads what the stages wrote to metrics/ and plots/, for the names in params.yaml."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from klayer import params
from klayer.errors import KlayerError

Numbers = Mapping[str, float]
Read = TypeVar("Read", dict[str, float], pd.DataFrame)
STABILITY = Path("plots/stability.csv")  # of `klayer stability`
EARLIER = Path("plots/earlier.csv")  # see report/repetition.py

# What the report reads of each table.
SEEDS = ("seed", "test_accuracy", "validation_accuracy", "learnt")
CURVES = (
    "step",
    "learning_rate",
    "train_accuracy",
    "validation_accuracy",
    "validation_accuracy_std",
)
LAYERS = ("step", "layer", "score_std", "gradient_norm")
GRADIENT_ERRORS = ("network", "l2", "layer", "parameter", "relative", "entries")
SEARCH_RUNS = ("phase", "l2", "seed", "validation_accuracy")
CONFUSION, EXAMPLES = ("actual", "predicted", "count"), ("image", "actual", "class", "probability")
VERDICTS = ("question", "seeds", "direction", "word", "estimate", "low", "high")
EARLIER_VERDICTS = ("question", "direction", "word", "settings")
# Columns of text, in which None, NA or 007 is a name.
TEXT = (
    *("actual", "predicted", "class", "phase", "network", "parameter", "variant", "value"),
    *("question", "seeds", "direction", "word", "settings"),
)


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
    def failed(self) -> int:
        """How many networks diverged or learnt nothing."""
        return int((self.seeds["learnt"] == 0).sum())


Pair = tuple[Run, Run]  # without and with BN


@dataclass(frozen=True)
class Evidence:
    """All that the report stands on."""

    data: Numbers
    images: Mapping[str, Any]  # the section `data` of params.yaml
    training: Mapping[str, Any]  # the section `training`
    searching: Mapping[str, Any]  # the same with what the search changes
    gradients: Numbers
    gradient_errors: pd.DataFrame  # network, l2, networks, layer, parameter, relative, ...
    runs: Mapping[str, Run]  # experiments in the order of params.yaml, then best_SCHEDULE
    schedules: tuple[str, ...]  # names of the runs of the best λ
    search: Numbers
    search_runs: pd.DataFrame  # phase, l2, seed, validation_accuracy, ...
    confusion: pd.DataFrame  # of the first schedule's run: actual, predicted, count
    examples: pd.DataFrame  # of the first schedule's run: image, actual, class, probability
    stability: pd.DataFrame | None  # see report/stability.py; None before it has run
    earlier: pd.DataFrame | None  # see report/repetition.py; None without such a file

    @property
    def synthetic(self) -> bool:
        """Whether the images were made by the project itself."""
        return bool(self.data["synthetic"])

    @property
    def best(self) -> Run:
        """The best λ, trained by the first schedule, that of the search."""
        return self.runs[self.schedules[0]]

    def pair(self, name: str) -> Pair | None:
        """The runs without and with BN, if both are there."""
        both = self.runs.get(name), self.runs.get(f"{name}_bn")
        return (both[0], both[1]) if both[0] and both[1] else None

    def missing(self, names: Sequence[str]) -> str:
        """Which of the runs are not there, in words; empty where all are."""
        lacking = " and no ".join(name for name in names if name not in self.runs)
        return f"params.yaml has no {lacking}" if lacking else ""

    def table(self, names: Sequence[str], measure: str = "test_accuracy") -> pd.DataFrame | None:
        """A column for each run, a row for each seed that all of them have, in order.

        None when a run or a common seed is missing.
        """
        if not names or any(name not in self.runs for name in names):
            return None
        columns = [self.runs[name].seeds[measure] for name in names]
        table = pd.concat(columns, axis=1, join="inner", keys=list(names)).sort_index()
        return table if len(table) else None


def collect(sections: Mapping[str, Any] | None = None) -> Evidence:
    """What was run with these sections of params.yaml, by default the present ones.

    Raises KlayerError when a file is missing or cannot be read, with its name.
    """
    sections = sections or params.read()
    schedules = tuple(f"best_{name}" for name in params.names(sections, "search.schedules"))
    search = read_numbers("metrics/search_l2.json", "best_l2")
    if not schedules:
        raise KlayerError("params.yaml: search.schedules is empty: add one, two_cycles: {}")
    names = (*params.names(sections, "experiments"), *schedules)
    return Evidence(
        data=read_numbers("metrics/data.json", "synthetic"),
        images=dict(sections.get("data") or {}),
        training=dict(sections["training"]),
        searching=_searching(sections),
        gradients=read_numbers("metrics/check_gradients.json", "worst"),
        gradient_errors=read_table("plots/check_gradients.csv", *GRADIENT_ERRORS),
        runs={name: _run(name, settings_of(sections, name, search)) for name in names},
        schedules=schedules,
        search=search,
        search_runs=read_table("plots/search_l2_runs.csv", *SEARCH_RUNS),
        confusion=read_table(f"plots/runs/{schedules[0]}/confusion.csv", *CONFUSION),
        examples=read_table(f"plots/runs/{schedules[0]}/examples.csv", *EXAMPLES),
        stability=_stability() if STABILITY.exists() else None,
        earlier=read_table(EARLIER, *EARLIER_VERDICTS) if EARLIER.exists() else None,
    )


def settings_of(sections: Mapping[str, Any], name: str, search: Numbers) -> dict[str, Any]:
    """The section `training` with what a run changes."""
    training = dict(sections["training"])
    if name in sections["experiments"]:
        return training | dict(sections["experiments"][name] or {})
    changes = dict(sections["search"]["schedules"][name.removeprefix("best_")] or {})
    return _searching(sections) | {"l2": search["best_l2"]} | changes


def _searching(sections: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sections["training"]) | dict(sections["search"].get("training") or {})


def _stability() -> pd.DataFrame:
    """A file of an older version does not say which settings it is of: of others."""
    table = read_table(STABILITY, *VERDICTS)
    return table if "settings" in table else table.assign(settings="unknown")


def _run(name: str, settings: Mapping[str, Any]) -> Run:
    folder = Path("plots/runs") / name
    return Run(
        name,
        settings,
        seeds=read_table(f"plots/seeds/{name}.csv", *SEEDS).set_index("seed"),
        curves=read_table(f"plots/train/{name}.csv", *CURVES),
        layers=read_table(folder / "layers.csv", *LAYERS),
        weights=folder / "weights.png",
    )


def read_numbers(path: str, *keys: str) -> Numbers:
    """A JSON file of another stage. Raises KlayerError when it cannot be read, or lacks a key."""
    return _read(path, keys, lambda text: dict(json.loads(text)))


def read_table(path: str | Path, *columns: str) -> pd.DataFrame:
    """A CSV file of another stage. Raises KlayerError when it cannot be read, or lacks a column."""
    return _read(path, columns, _whole_table)


def _whole_table(text: str) -> pd.DataFrame:
    table = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(TEXT, str), keep_default_na=False)
    entries = table.drop(columns="value", errors="ignore")  # empty where nothing varies
    if not text.endswith("\n") or (entries.isna() | (entries == "")).to_numpy().any():
        raise ValueError("it has been cut short")  # never as it was written
    return table


def _read(path: str | Path, names: Sequence[str], parse: Callable[[str], Read]) -> Read:
    try:
        read = parse(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise KlayerError(f"{path} is missing: run `dvc repro`, which makes it") from None
    except (OSError, ValueError, TypeError) as error:
        raise KlayerError(f"{path} cannot be read ({error}): run `dvc repro` again") from error
    if lacking := [name for name in names if name not in read]:
        raise KlayerError(f"{path} has no {', '.join(lacking)}: run `dvc repro` again")
    return read
