"""Stage `search_l2`: searches the L2 strength lambda by the validation images, coarse, then fine.

The rule, in both phases: the best value has the lowest mean validation loss; among equal ones it is
the largest value.

- Coarse phase: one network for each value. The mean is over neighbouring values, and the middle of
  the best ones is the centre of the fine phase.
- Fine phase: a network for each value and seed. The mean is over the seeds, and the best value is
  the result. lambda = 0 is trained for comparison, and is not chosen.

Why the loss and not the accuracy: the loss changes smoothly with lambda. The accuracies of such
values differ less than those of two seeds, so luck would choose the highest one, and other seeds or
other rounding would choose another value.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from klayer.files import write_metrics, write_table
from klayer.kernels.elementary import exp, log
from klayer.parallel.runner import checkpointed
from klayer.params import read_settings, stage_settings
from klayer.settings import Coarse, Fine, Search, Training
from klayer.training.results import deviation
from klayer.training.trainer import Job, Outcome

STAGE = "search_l2"
NEIGHBOURS = 5  # values of the coarse search that are averaged: about half a decade in the study
MEASURES = ("validation_accuracy", "validation_loss", "train_accuracy", "diverged_at")

Values = NDArray[np.float64]


def run() -> None:
    """Writes plots/search_l2.csv, plots/search_l2_runs.csv and metrics/search_l2.json.

    The networks without L2 of the fine phase have the phase `none` in the tables.
    """
    training = read_settings(STAGE)["training"] | {"l2": 0.0, "seeds": [0]}  # replaced in each job
    settings = stage_settings(STAGE, Search, training=training)
    with checkpointed(STAGE) as train:

        def runs(phase: str, values: Sequence[float], seeds: Sequence[int]) -> pd.DataFrame:
            networks = jobs(settings.training, values, seeds)
            return runs_table(phase, networks, train(networks))

        coarse = runs("coarse", coarse_values(settings.coarse), [settings.coarse.seed])
        values = [*fine_values(settings.fine, centre(coarse)), 0.0]
        table = pd.concat([coarse, runs("fine", values, settings.fine.seeds)], ignore_index=True)
        means = means_table(table)
        write_table(Path(f"plots/{STAGE}_runs.csv"), table)
        write_table(Path(f"plots/{STAGE}.csv"), means)
        write_metrics(Path(f"metrics/{STAGE}.json"), result(means))


def coarse_values(coarse: Coarse) -> list[float]:
    """From the largest to the smallest, evenly spaced in their logarithm."""
    first, last = (Decimal(str(end)).log10() for end in (coarse.largest, coarse.smallest))
    return _powers(Decimal(1), first, last, coarse.count)


def fine_values(fine: Fine, centre: float) -> list[float]:
    """Evenly spaced in their logarithm around the centre, the largest first."""
    half = Decimal(str(fine.decades)) / 2
    return _powers(Decimal(centre), half, -half, fine.count)


def _powers(factor: Decimal, first: Decimal, last: Decimal, count: int) -> list[float]:
    """The factor times 10^x, for `count` values of x from first to last; for 1 the middle.

    Powers of Python's decimal numbers are the same on every machine; those of C are not.
    """
    if count == 1:
        first = last = (first + last) / 2
    exponents = (first + (last - first) * i / max(count - 1, 1) for i in range(count))
    return [float(factor * Decimal(10) ** exponent) for exponent in exponents]


def jobs(training: Training, values: Sequence[float], seeds: Sequence[int]) -> list[Job]:
    """A job for each value and seed. Networks of a seed share initial weights and mini-batches."""
    return [
        Job(training.model_copy(update={"l2": l2, "seeds": (seed,)}), seed, test=False)
        for seed in seeds
        for l2 in values
    ]


def best(l2: Values, loss: Values) -> float:
    """The rule: the value with the lowest mean validation loss, among equal ones the largest."""
    return float(l2[loss == loss.min()].max())


def centre(coarse: pd.DataFrame) -> float:
    """The centre of the fine search: the middle of the best neighbours among the coarse runs."""
    ordered = coarse.sort_values("l2")
    width = min(NEIGHBOURS, len(ordered))
    logs, losses = (
        sliding_window_view(np.array(values), width).mean(axis=1)
        for values in (list(map(log, ordered["l2"])), ordered["validation_loss"])
    )
    return exp(best(logs, losses))


def runs_table(phase: str, trained: Sequence[Job], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each network: phase ("none" for l2 = 0), l2, seed and its final measures."""
    rows = [
        {"phase": phase if job.training.l2 else "none", "l2": job.training.l2, "seed": job.seed}
        | {name: outcome.row[name] for name in MEASURES}
        for job, outcome in zip(trained, outcomes, strict=True)
    ]
    return pd.DataFrame(rows)


def means_table(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each phase and l2: mean accuracy with its standard deviation (0 for one seed), mean
    loss, and the number of seeds.
    """
    return runs.groupby(["phase", "l2"], as_index=False).agg(
        validation_accuracy=("validation_accuracy", "mean"),
        validation_accuracy_std=("validation_accuracy", lambda x: deviation(x.to_numpy())),
        validation_loss=("validation_loss", "mean"),
        seeds=("seed", "size"),
    )


def result(means: pd.DataFrame) -> dict[str, float]:
    """The best value of the fine phase, and its mean validation accuracy over the seeds."""
    fine = means[means["phase"] == "fine"]
    l2 = best(fine["l2"].to_numpy(), fine["validation_loss"].to_numpy())
    accuracy = fine.set_index("l2")["validation_accuracy"][l2]
    return {"best_l2": l2, "validation_accuracy": float(accuracy)}
