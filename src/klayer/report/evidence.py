"""Reads what the stages wrote to metrics/ and plots/, for the names in params.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from klayer import params
from klayer.errors import KlayerError

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """What came of an experiment: a network for each seed."""

    name: str
    settings: Mapping[str, Any]  # the section `training` with what the experiment changes
    seeds: pd.DataFrame  # a row for each seed (the index), its final measures
    curves: pd.DataFrame
    layers: pd.DataFrame  # step, layer, score_std, gradient_norm
    weights: Path  # PNG
    dead: int  # networks no better than a guess, those that diverged among them

    @property
    def test_accuracy(self) -> pd.Series[float]:
        """By seed."""
        return self.seeds["test_accuracy"]


@dataclass(frozen=True)
class Evidence:
    """All that the report stands on."""

    data: Numbers
    gradients: Numbers
    gradient_errors: pd.DataFrame  # network, l2, population, layer, parameter, relative, ...
    runs: Mapping[str, Run]  # in the order of params.yaml
    search: Numbers
    search_runs: pd.DataFrame  # phase, l2, seed, validation_accuracy, ...
    best: Run
    longer: Run
    confusion: pd.DataFrame  # actual, predicted, count
    examples: pd.DataFrame  # image, actual, class, probability

    @property
    def synthetic(self) -> bool:
        """Whether the images were made by the project itself."""
        return bool(self.data.get("archive_synthetic"))

    def pair(self, name: str) -> tuple[Run, Run] | None:
        """The runs without and with BN, if both are there."""
        both = self.runs.get(name), self.runs.get(f"{name}_bn")
        return (both[0], both[1]) if both[0] and both[1] else None


def collect() -> Evidence:
    """Raises KlayerError when a file is missing or cannot be read, with its name."""
    sections = params.read()
    names = params.names(sections, "experiments")
    training = dict(sections.get("training") or {})
    search = dict(sections.get("search") or {})
    best = _numbers("metrics/train_best.json")
    of_best = training | dict(search.get("training") or {}) | {"l2": best["l2"]}
    of_longer = of_best | {"cycles": int(best["longer_cycles"])}
    return Evidence(
        data=_numbers("metrics/data.json"),
        gradients=_numbers("metrics/check_gradients.json"),
        gradient_errors=_table("plots/check_gradients.csv"),
        runs={n: _experiment(n, training | dict(sections["experiments"][n] or {})) for n in names},
        search=_numbers("metrics/search_l2.json"),
        search_runs=_table("plots/search_l2_runs.csv"),
        best=_final("usual", of_best, best["dead"] + best["diverged"]),
        longer=_final("longer", of_longer, best["longer_dead"] + best["longer_diverged"]),
        confusion=_table("plots/train_best/confusion.csv"),
        examples=_table("plots/train_best/examples.csv"),
    )


def _experiment(name: str, settings: Mapping[str, Any]) -> Run:
    metrics = _numbers(f"metrics/train/{name}.json")
    return Run(
        name,
        settings,
        _table(f"plots/seeds/{name}.csv").set_index("seed"),
        _table(f"plots/train/{name}.csv"),
        _table(f"plots/layers/{name}.csv"),
        Path(f"plots/weights/{name}.png"),
        int(metrics["dead"] + metrics["diverged"]),
    )


def _final(name: str, settings: Mapping[str, Any], dead: float) -> Run:
    folder = "plots/train_best"
    return Run(
        name,
        settings,
        _table(f"{folder}/{name}_seeds.csv").set_index("seed"),
        _table(f"{folder}/{name}.csv"),
        _table(f"{folder}/{name}_layers.csv"),
        Path(f"{folder}/{name}_weights.png"),
        int(dead),
    )


def _numbers(path: str) -> Numbers:
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise KlayerError(f"{path} is missing: run `dvc repro`, which makes it") from None
    except (OSError, ValueError, TypeError) as error:
        raise KlayerError(f"{path} cannot be read ({error}): run `dvc repro` again") from error


def _table(path: str) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise KlayerError(f"{path} is missing: run `dvc repro`, which makes it") from None
    except (OSError, ValueError) as error:
        raise KlayerError(f"{path} cannot be read ({error}): run `dvc repro` again") from error
