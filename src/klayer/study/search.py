"""The search of the L2 strength: which values are tried, and what the results say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from klayer.params import Section
from klayer.training.job import Job, Outcome
from klayer.training.settings import Positive, Seed, Seeds, Training

NEIGHBOURS = 5  # values of the coarse search that are averaged to find its best region
MEASURES = ("validation_accuracy", "validation_loss", "train_accuracy", "diverged_at")


class Coarse(Section):
    """Values on a logarithmic scale, one network each."""

    count: Positive
    largest: Annotated[float, Field(gt=0)]
    smallest: Annotated[float, Field(gt=0)]
    seed: Seed


class Fine(Section):
    """Values around the best region of the coarse search, a network for each seed."""

    count: Positive
    decades: Annotated[float, Field(gt=0, le=10)]
    seeds: Seeds


class Best(Section):
    """How the best value is trained, besides as usual."""

    evaluations: Positive
    longer_cycles: Positive


class Search(Section):
    """The section `search`."""

    training: dict[str, Any]  # what differs from the section `training`; checked as one of these
    population: Positive
    coarse: Coarse
    fine: Fine
    best: Best


def coarse_values(coarse: Coarse) -> NDArray[np.float64]:
    """From the largest to the smallest, evenly spaced in their logarithm."""
    return np.logspace(np.log10(coarse.largest), np.log10(coarse.smallest), coarse.count)


def best_region(runs: pd.DataFrame) -> float:
    """The value around which the mean validation loss of a few neighbours is lowest.

    The loss, and neighbours: single accuracies are scattered too much by chance to be followed.
    """
    ordered = runs.sort_values("l2")
    l2, loss = ordered["l2"].to_numpy(), ordered["validation_loss"].to_numpy()
    width = min(NEIGHBOURS, len(l2))
    means = np.convolve(loss, np.full(width, 1 / width), mode="valid")
    start = int(means.argmin())
    return float(np.exp(np.log(l2[start : start + width]).mean()))


def fine_values(fine: Fine, centre: float) -> NDArray[np.float64]:
    """Evenly spaced in their logarithm around the centre, the largest first."""
    half = fine.decades / 2
    return centre * np.logspace(half, -half, fine.count)


def populations(
    training: Training, l2: NDArray[np.float64], seeds: Sequence[int], size: int
) -> list[Job]:
    """The values in near-equal populations of at most `size`, for each seed."""
    chunks = [tuple(chunk.tolist()) for chunk in np.array_split(l2, -(-len(l2) // size))]
    return [Job(training, c, (seed,) * len(c)) for seed in seeds for c in chunks]


def runs_table(phase: str, trained: Sequence[Job], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each network: phase ("none" for l2 = 0), l2, seed and its final measures."""
    rows = [
        pd.DataFrame(
            {"phase": phase, "l2": population.l2, "seed": population.seeds}
            | {name: outcome.final[name] for name in MEASURES}
        )
        for population, outcome in zip(trained, outcomes, strict=True)
    ]
    table = pd.concat(rows, ignore_index=True)
    table.loc[table["l2"] == 0, "phase"] = "none"
    return table


def networks_with(
    l2: float, trained: Sequence[Job], outcomes: Sequence[Outcome]
) -> dict[str, NDArray[Any]]:
    """The trained parameters of the networks with this value, one for each seed."""
    chosen = [
        (outcome.parameters, population.l2.index(l2))
        for population, outcome in zip(trained, outcomes, strict=True)
        if l2 in population.l2
    ]
    names = outcomes[0].parameters
    return {name: np.stack([named[name][m] for named, m in chosen]) for name in names}


def means_table(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each phase and l2: mean and standard deviation (0 for one) over the seeds."""
    groups = runs.groupby(["phase", "l2"], sort=True)["validation_accuracy"]
    table = pd.DataFrame(
        {"validation_accuracy": groups.mean(), "validation_accuracy_std": groups.std().fillna(0.0)}
    )
    return table.reset_index()


def summary(means: pd.DataFrame, runs: pd.DataFrame) -> dict[str, float]:
    """The best and the worst value of each phase, and how much luck moves one of them."""
    metrics: dict[str, float] = {}
    for phase, rows in means.groupby("phase"):
        ordered = rows.sort_values("validation_accuracy")
        for which, index in (("best", -1), ("worst", 0)):
            for name in ("l2", "validation_accuracy"):
                metrics[f"{phase}_{which}_{name}"] = float(ordered[name].iloc[index])
    fine = means[means["phase"] == "fine"].sort_values("validation_accuracy")
    for name in ("l2", "validation_accuracy", "validation_accuracy_std"):
        metrics[f"best_{name}"] = float(fine[name].iloc[-1])
    metrics["noise_std"] = float(np.sqrt((fine["validation_accuracy_std"] ** 2).mean()))
    metrics["diverged"] = int((runs["diverged_at"] >= 0).sum())
    return metrics
