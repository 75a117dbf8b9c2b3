"""Stage `search_l2`: searches the L2 strength, coarse and then fine, by the validation images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from klayer.data.dataset import open_dataset
from klayer.files import write_metrics, write_table
from klayer.params import of_stage, section
from klayer.running import checkpoints
from klayer.running.runner import train_jobs
from klayer.study import search
from klayer.study.search_settings import Search
from klayer.training.models import save_networks
from klayer.training.settings import Training

STAGE = "search_l2"


def run() -> None:
    """Writes plots/search_l2*.csv, metrics/search_l2.json and data/models/search_l2.safetensors.

    The fine phase also trains without L2, as the phase `none`, to compare with.
    """
    settings = of_stage(STAGE, Search, schedules={})  # they come later
    size, seeds = settings.population_size, settings.fine.seeds
    own = {"training": {**settings.training, "l2": 0.0, "seeds": seeds}}  # each network has its own
    training = section(own, "training", Training)

    tried = search.coarse_values(settings.coarse)
    jobs = search.populations(training, tried, (settings.coarse.seed,), size)
    coarse = search.runs_table("coarse", jobs, train_jobs(STAGE, jobs, test=False))

    tried = np.append(search.fine_values(settings.fine, search.centre(coarse)), 0.0)
    jobs = search.populations(training, tried, seeds, size)
    outcomes = train_jobs(STAGE, jobs, test=False)
    runs = pd.concat([coarse, search.runs_table("fine", jobs, outcomes)], ignore_index=True)

    means = search.means_table(runs)
    result = search.result(means)
    of_best = training.model_copy(update={"l2": result["best_l2"], "seeds": seeds})
    networks = search.networks_with(result["best_l2"], jobs, outcomes)
    save_networks(Path(f"data/models/{STAGE}.safetensors"), of_best, networks, open_dataset())
    write_table(Path(f"plots/{STAGE}_runs.csv"), runs)
    write_table(Path(f"plots/{STAGE}.csv"), means)
    write_metrics(Path(f"metrics/{STAGE}.json"), result)
    checkpoints.forget(STAGE)
