"""Stages `train@NAME` and `train_best@SCHEDULE`: train and test the networks of one run.

A run is an experiment, or the best L2 strength with one schedule; both write the same files.
"""

from __future__ import annotations

from klayer import params
from klayer.running import checkpoints
from klayer.running.runner import train_jobs
from klayer.study.runs import best, best_name, experiment
from klayer.training.job import one_for_each_seed
from klayer.training.results import write_run
from klayer.training.settings import Training


def run(name: str) -> None:
    """Writes the files of the experiment NAME, see `write_run`.

    Raises KlayerError for an unknown experiment, wrong parameters or missing data.
    """
    _run(f"train@{name}", name, experiment(params.read(), name))


def run_best(schedule: str) -> None:
    """Writes the files of the run best_SCHEDULE, see `write_run`.

    Raises KlayerError for an unknown schedule, wrong parameters, missing data or search.
    """
    _run(f"train_best@{schedule}", best_name(schedule), best(params.read(), schedule))


def _run(stage: str, name: str, training: Training) -> None:
    outcomes = train_jobs(stage, one_for_each_seed(training), test=True)
    write_run(name, training, outcomes)
    checkpoints.forget(stage)
