"""Stage `train_best@SCHEDULE`: trains and tests the best L2 strength by one schedule."""

from __future__ import annotations

from klayer import params
from klayer.running import checkpoints
from klayer.running.runner import train_jobs
from klayer.study.results import write_run
from klayer.study.runs import best, best_name
from klayer.training.job import one_for_each_seed


def run(schedule: str) -> None:
    """Writes the files of the run best_SCHEDULE, see `write_run`.

    Raises KlayerError for an unknown schedule, wrong parameters, missing data or search.
    """
    training, stage = best(params.read(), schedule), f"train_best@{schedule}"
    outcomes = train_jobs(stage, one_for_each_seed(training), test=True)
    write_run(best_name(schedule), training, outcomes)
    checkpoints.forget(stage)
