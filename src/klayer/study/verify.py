"""Re-runs a small part of the study and compares it with the results at hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from klayer import params
from klayer.errors import KlayerError
from klayer.files import table_text
from klayer.running.runner import train_jobs
from klayer.study import results
from klayer.training.job import one_for_each_seed
from klayer.training.settings import Training

TOLERANCE = 0.02  # in accuracy of single networks, on another processor


def verify(name: str) -> str:
    """Trains the first population of an experiment again; returns in a sentence how it compares.

    Raises KlayerError when there is nothing to compare with, or when it is not repeated.
    """
    training = params.section_over(params.read(), "training", f"experiments.{name}", Training)
    path = Path(f"plots/seeds/{name}.csv")
    population = one_for_each_seed(training)[0]
    seeds = list(population.seeds)
    try:
        known = pd.read_csv(path).head(len(seeds))
    except (OSError, ValueError) as error:
        raise KlayerError(f"{path} holds no results ({error}): run `dvc repro`") from None
    if known["seed"].tolist() != seeds:
        raise KlayerError(
            f"{path} does not begin with the seeds {seeds} of params.yaml: run `dvc repro`"
        )
    outcomes = train_jobs("verify", [population], test=True)
    again = results.seeds_table(outcomes, seeds)
    return _compare(name, known, again)


def _compare(name: str, known: pd.DataFrame, again: pd.DataFrame) -> str:
    part = f"{name}, seeds {', '.join(map(str, known['seed']))}"
    if table_text(known) == table_text(again[known.columns]):
        numbers = len(known) * (len(known.columns) - 1)
        return f"{part}: repeated exactly, every digit of {numbers} numbers"
    accuracies = [column for column in known.columns if column.endswith("_accuracy")]
    gap = float((known[accuracies] - again[accuracies]).abs().to_numpy().max())
    if gap <= TOLERANCE:
        return (
            f"{part}: repeated within tolerance, as on another processor: accuracies differ by at "
            f"most {gap:.4f}"
        )
    raise KlayerError(
        f"{part}: not repeated, an accuracy differs by {gap:.4f} (tolerance {TOLERANCE}): were "
        "code, parameters or data changed since `dvc repro`?"
    )
