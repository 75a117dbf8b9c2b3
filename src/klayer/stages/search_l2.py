"""Stage `search_l2`: searches the L2 strength, coarse and then fine, by validation accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from klayer import params
from klayer.files import write_metrics, write_table
from klayer.running import checkpoints
from klayer.running.runner import train_jobs
from klayer.study import search
from klayer.study.models import save_model
from klayer.study.search import Search
from klayer.training.settings import Training

STAGE = "search_l2"


def run() -> None:
    """Writes plots/search_l2*.csv, metrics/search_l2.json and data/models/search_l2.npz.

    The fine phase also trains without L2, as the phase `none`, to compare with.
    """
    sections = params.read()
    settings = params.section(sections, "search", Search)
    training = params.section_over(sections, "training", "search.training", Training)
    size = settings.population

    tried, seeds = search.coarse_values(settings.coarse), (settings.coarse.seed,)
    populations = search.populations(training, tried, seeds, size)
    outcomes = train_jobs(STAGE, populations, test=False)
    coarse = search.runs_table("coarse", populations, outcomes)
    centre = search.best_region(coarse)

    tried = np.append(search.fine_values(settings.fine, centre), 0.0)
    populations = search.populations(training, tried, settings.fine.seeds, size)
    outcomes = train_jobs(STAGE, populations, test=False)
    fine = search.runs_table("fine", populations, outcomes)

    runs = pd.concat([coarse, fine], ignore_index=True)
    means = search.means_table(runs)
    metrics = search.summary(means, runs) | {"centre_l2": centre}
    best = search.networks_with(metrics["best_l2"], populations, outcomes)
    save_model(Path("data/models/search_l2.npz"), training.architecture(best["W1"].shape[1]), best)
    write_table(Path("plots/search_l2_runs.csv"), runs)
    write_table(Path("plots/search_l2.csv"), means)
    write_metrics(Path("metrics/search_l2.json"), metrics)
    checkpoints.forget(STAGE)
