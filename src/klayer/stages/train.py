"""Stage `train@NAME`: trains the networks of one experiment, one for each seed, and tests them."""

from __future__ import annotations

from klayer import params
from klayer.running import checkpoints
from klayer.running.runner import train_jobs
from klayer.study.results import write_run
from klayer.study.runs import experiment
from klayer.training.job import one_for_each_seed


def run(name: str) -> None:
    """Writes the files of the run NAME, see `write_run`.

    Raises KlayerError for an unknown experiment, wrong parameters or missing data.
    """
    training, stage = experiment(params.read(), name), f"train@{name}"
    outcomes = train_jobs(stage, one_for_each_seed(training), test=True)
    write_run(name, training, outcomes)
    checkpoints.forget(stage)
