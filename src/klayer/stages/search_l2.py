"""Stage `search_l2`: searches the L2 strength, coarse and then fine, by the validation images."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from klayer.files import write_metrics, write_table
from klayer.parallel.runner import checkpointed
from klayer.params import of_stage, section
from klayer.settings import Search, Training
from klayer.study import search

STAGE = "search_l2"


def run() -> None:
    """Writes plots/search_l2.csv, plots/search_l2_runs.csv and metrics/search_l2.json.

    The fine phase also trains without L2, as the phase `none`, to compare with.
    """
    settings = of_stage(STAGE, Search, schedules={})  # they come later
    seeds = settings.fine.seeds
    own = {"training": {**settings.training, "l2": 0.0, "seeds": seeds}}  # each network has its own
    training = section(own, "training", Training)

    with checkpointed(STAGE) as train:
        jobs = search.jobs(training, search.coarse_values(settings.coarse), (settings.coarse.seed,))
        coarse = search.runs_table("coarse", jobs, train(jobs))

        tried = [*search.fine_values(settings.fine, search.centre(coarse)), 0.0]
        jobs = search.jobs(training, tried, seeds)
        fine = search.runs_table("fine", jobs, train(jobs))
        runs = pd.concat([coarse, fine], ignore_index=True)

        means = search.means_table(runs)
        write_table(Path(f"plots/{STAGE}_runs.csv"), runs)
        write_table(Path(f"plots/{STAGE}.csv"), means)
        write_metrics(Path(f"metrics/{STAGE}.json"), search.result(means))
