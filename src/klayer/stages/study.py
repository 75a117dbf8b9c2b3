"""Stage `study@NAME`: trains and tests all networks of a study of studies/params.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd

from klayer.files import write_metrics, write_table
from klayer.parallel.runner import checkpointed
from klayer.params import stage_settings
from klayer.settings import Trial, Trials
from klayer.training import results
from klayer.training.trainer import Job, Outcome


def run(name: str) -> None:
    """Writes plots/seeds/NAME.csv, plots/curves/NAME.csv and metrics/NAME.json.

    Raises KlayerError when its settings or the data are missing.
    """
    settings = stage_settings(name, Trials, Path("settings"))
    trials = settings.networks
    jobs = [Job(t.training, t.training.seeds[0], test=settings.test) for t in trials]
    with checkpointed(f"study@{name}") as train:
        outcomes = train(jobs)
        table = networks_table(trials, outcomes)
        write_table(Path(f"plots/seeds/{name}.csv"), table)
        write_table(Path(f"plots/curves/{name}.csv"), curves_table(trials, outcomes))
        write_metrics(Path(f"metrics/{name}.json"), summary(table))


def networks_table(trials: Sequence[Trial], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each network: variant, value, settings that vary, seed, chosen, final measures.

    `chosen` is 1 for the value with the highest validation accuracy among a variant's networks of
    one seed, and for the first of equal ones. Test images play no part.
    """
    rows = [{"variant": trial.variant, "value": trial.value, **trial.varied} for trial in trials]
    settings = pd.DataFrame(rows).fillna("-")  # for a setting that only another variant varies
    measures = results.seeds_table(outcomes)  # the seed first
    table = pd.concat([settings, measures], axis=1)
    best = table.groupby(["variant", "seed"])["validation_accuracy"].idxmax()
    table.insert(len(settings.columns) + 1, "chosen", table.index.isin(best).astype(int))
    return table


def curves_table(trials: Sequence[Trial], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each variant, value and point of the curves: means and deviations over seeds."""
    pairs = zip(trials, outcomes, strict=True)
    tables = {
        key: results.curves_table([outcome for _, outcome in group])
        for key, group in groupby(pairs, lambda pair: (pair[0].variant, pair[0].value))
    }
    names = ["variant", "value"]
    return pd.concat(tables, names=names).reset_index(names).reset_index(drop=True)


def summary(table: pd.DataFrame) -> dict[str, float]:
    """The metrics of a study, of the networks chosen by validation accuracy.

    They are of the variant with the highest validation accuracy, without the first variant, whose
    test accuracy is `baseline`. Of a single variant there is no `baseline`; networks that were not
    tested have a validation accuracy only.
    """
    chosen = table[table["chosen"] == 1]
    means = chosen.groupby("variant", sort=False)["validation_accuracy"].mean()
    first, *others = means.index
    best = chosen[chosen["variant"] == (means[others].idxmax() if others else first)]
    if "test_accuracy" not in table:
        return {"validation_accuracy": float(best["validation_accuracy"].mean())}
    metrics = results.summary(best)
    if others:
        baseline = chosen[chosen["variant"] == first]
        metrics["baseline"] = float(baseline["test_accuracy"].mean())
    return metrics
