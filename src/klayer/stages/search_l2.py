"""Stage `search_l2`: searches the L2 strength, coarse and then fine, by validation accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from klayer import config, parts, search
from klayer.artifacts import write_metrics, write_table
from klayer.population import Training
from klayer.search import Search
from klayer.session import train_populations

STAGE = "search_l2"


def run() -> None:
    """Writes plots/search_l2.csv, plots/search_l2_runs.csv and metrics/search_l2.json.

    The fine phase also trains without L2, as the phase `none`, to compare with.
    """
    params = config.read()
    settings = config.section(params, "search", Search)
    training = config.section_over(params, "training", "search.training", Training)
    values, seeds = search.coarse_values(settings.coarse), (settings.coarse.seed,)
    coarse = _phase("coarse", training, values, seeds, settings)
    ordered = coarse.sort_values("l2")
    centre = search.best_region(ordered["l2"].to_numpy(), ordered["validation_accuracy"].to_numpy())
    values = np.append(search.fine_values(settings.fine, centre), 0.0)
    fine = _phase("fine", training, values, settings.fine.seeds, settings)
    fine.loc[fine["l2"] == 0, "phase"] = "none"
    runs = pd.concat([coarse, fine], ignore_index=True)
    means = search.means_table(runs)
    write_table(Path("plots/search_l2_runs.csv"), runs)
    write_table(Path("plots/search_l2.csv"), means)
    metrics = search.summary(means, runs) | {"centre_l2": centre}
    write_metrics(Path("metrics/search_l2.json"), metrics)
    parts.forget(STAGE)


def _phase(
    phase: str,
    training: Training,
    values: NDArray[np.float64],
    seeds: tuple[int, ...],
    settings: Search,
) -> pd.DataFrame:
    populations = search.populations(training, values, seeds, settings.population)
    outcomes = train_populations(STAGE, populations, test=False)
    return search.runs_table(phase, populations, outcomes)
