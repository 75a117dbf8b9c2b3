"""The search of the L2 strength lambda: which values are tried, and which one is best.

The rule, in both phases: the best value has the lowest mean validation loss, of several that are
equal the largest one. In the coarse phase, which trains one network for each value, the mean goes
over neighbouring values, and their middle is the centre of the fine phase; there it goes over the
seeds, and the best of its values is the result. lambda = 0 is trained to compare with, and is not
chosen.

The loss and not the accuracy, as the cross-entropy follows lambda smoothly, while the accuracies of
such values differ less than those of two seeds: the largest one is picked by luck, and would be
another with other seeds or other rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from klayer.study.search_settings import Coarse, Fine
from klayer.training.job import Arrays, Job, Outcome
from klayer.training.settings import Training

NEIGHBOURS = 5  # values of the coarse search that are averaged: half a decade of the study's six
MEASURES = ("validation_accuracy", "validation_loss", "train_accuracy", "diverged_at")

Values = NDArray[np.float64]


def coarse_values(coarse: Coarse) -> Values:
    """From the largest to the smallest, evenly spaced in their logarithm."""
    return np.logspace(np.log10(coarse.largest), np.log10(coarse.smallest), coarse.count)


def fine_values(fine: Fine, centre: float) -> Values:
    """Evenly spaced in their logarithm around the centre, the largest first."""
    half = fine.decades / 2
    return centre * np.logspace(half, -half, fine.count)


def populations(training: Training, l2: Values, seeds: Sequence[int], size: int) -> list[Job]:
    """The values in near-equal populations of at most `size`, for each seed."""
    chunks = [tuple(chunk.tolist()) for chunk in np.array_split(l2, -(-len(l2) // size))]
    return [Job(training, c, (seed,) * len(c)) for seed in seeds for c in chunks]


def best(l2: Values, loss: Values) -> float:
    """The rule: the value with the lowest mean validation loss, of equal ones the largest."""
    return float(l2[loss == loss.min()].max())


def centre(coarse: pd.DataFrame) -> float:
    """Around which value to search finely: the middle of the best neighbours of the coarse runs."""
    ordered = coarse.sort_values("l2")
    width = min(NEIGHBOURS, len(ordered))
    logs, losses = (
        sliding_window_view(values, width).mean(axis=1)
        for values in (np.log(ordered["l2"].to_numpy()), ordered["validation_loss"].to_numpy())
    )
    return best(np.exp(logs), losses)


def runs_table(phase: str, trained: Sequence[Job], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each network: phase ("none" for l2 = 0), l2, seed and its final measures."""
    rows = [
        pd.DataFrame(
            {"phase": phase, "l2": job.l2, "seed": job.seeds}
            | {name: outcome.final[name] for name in MEASURES}
        )
        for job, outcome in zip(trained, outcomes, strict=True)
    ]
    table = pd.concat(rows, ignore_index=True)
    table.loc[table["l2"] == 0, "phase"] = "none"
    return table


def means_table(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each phase and l2: mean accuracy with its standard deviation (0 for one seed), mean
    loss, and over how many seeds.
    """
    groups = runs.groupby(["phase", "l2"], sort=True)
    accuracy = groups["validation_accuracy"]
    means = {
        "validation_accuracy": accuracy.mean(),
        "validation_accuracy_std": accuracy.std().fillna(0.0),
        "validation_loss": groups["validation_loss"].mean(),
        "seeds": groups.size(),
    }
    return pd.DataFrame(means).reset_index()


def result(means: pd.DataFrame) -> dict[str, float]:
    """The best value of the fine phase, and its mean validation accuracy over the seeds."""
    fine = means[means["phase"] == "fine"]
    l2 = best(fine["l2"].to_numpy(), fine["validation_loss"].to_numpy())
    accuracy = fine.set_index("l2")["validation_accuracy"][l2]
    return {"best_l2": l2, "val_acc": float(accuracy)}


def networks_with(l2: float, trained: Sequence[Job], outcomes: Sequence[Outcome]) -> Arrays:
    """The trained parameters of the networks with this value, one for each seed."""
    chosen = [
        (outcome.parameters, job.l2.index(l2))
        for job, outcome in zip(trained, outcomes, strict=True)
        if l2 in job.l2
    ]
    names = outcomes[0].parameters
    return {name: np.stack([named[name][m] for named, m in chosen]) for name in names}
