"""Stage `study@NAME`: trains and tests all networks of a study of studies/params.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from klayer.files import write_metrics, write_table
from klayer.parallel.runner import checkpointed
from klayer.params import of_stage
from klayer.settings import Trial, Trials
from klayer.training.results import curves_table as curves
from klayer.training.results import deviation, seeds_table
from klayer.training.trainer import Job, Outcome

GROUP = ["variant", "value"]


def run(name: str) -> None:
    """Writes plots/seeds/NAME.csv, plots/curves/NAME.csv and metrics/NAME.json.

    Raises KlayerError when its settings or the data are missing.
    """
    settings = of_stage(name, Trials, Path("settings"))
    trained = settings.networks
    jobs = [Job(t.training, t.training.seeds[0], test=settings.test) for t in trained]
    with checkpointed(f"study@{name}") as train:
        outcomes = train(jobs)
        table = networks_table(trained, outcomes)
        write_table(Path(f"plots/seeds/{name}.csv"), table)
        write_table(Path(f"plots/curves/{name}.csv"), curves_table(trained, outcomes))
        write_metrics(Path(f"metrics/{name}.json"), summary(table))


def networks_table(trained: Sequence[Trial], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each network: variant, value, what varies, seed, and its final measures.

    chosen is 1 for the value with the highest validation accuracy of a variant's networks of one
    seed, of equal ones the first; test images have no part in it.
    """
    rows = [
        seeds_table([outcome]).assign(
            variant=trial.variant,
            value=trial.value,
            **trial.varied,
        )
        for trial, outcome in zip(trained, outcomes, strict=True)
    ]
    varied = list(dict.fromkeys(key for trial in trained for key in trial.varied))
    table = pd.concat(rows, ignore_index=True).fillna(dict.fromkeys(varied, "-"))
    best = table.groupby(["variant", "seed"], sort=False)["validation_accuracy"].idxmax()
    table["chosen"] = table.index.isin(best).astype(int)
    first = [*GROUP, *varied, "seed", "chosen"]
    return table[[*first, *(column for column in table if column not in first)]]


def curves_table(trained: Sequence[Trial], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each variant, value and point of their curves: means and deviations over its seeds.

    A value that was drawn for one seed alone has a curve of its own.
    """
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for trial, outcome in zip(trained, outcomes, strict=True):
        groups.setdefault((trial.variant, trial.value), []).append(outcome)
    tables = [
        curves(of_group).assign(variant=variant, value=value)
        for (variant, value), of_group in groups.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    return table[[*GROUP, *(column for column in table if column not in GROUP)]]


def summary(table: pd.DataFrame) -> dict[str, float]:
    """The few numbers that people compare: of the networks chosen by validation accuracy.

    test_accuracy, its deviation over seeds and validation_accuracy are those of the variant with
    the highest validation accuracy but the first, which is `baseline`.
    Without test images there are no test accuracies, without a second variant no `baseline`.
    """
    chosen = table[table["chosen"] == 1]
    means = chosen.groupby("variant", sort=False)["validation_accuracy"].mean()
    others = means.iloc[1:] if len(means) > 1 else means
    best = chosen[chosen["variant"] == others.index[int(np.argmax(others))]]
    metrics = {"validation_accuracy": float(best["validation_accuracy"].mean())}
    if "test_accuracy" in table:
        metrics["test_accuracy"] = float(best["test_accuracy"].mean())
        metrics["test_accuracy_std"] = deviation(best["test_accuracy"].to_numpy())
    if len(means) > 1 and "test_accuracy" in table:
        baseline = chosen[chosen["variant"] == means.index[0]]
        metrics["baseline"] = float(baseline["test_accuracy"].mean())
    return metrics
