"""Stages `train@NAME` and `train_best@SCHEDULE`: train and test the networks of one run.

A run is an experiment, or the best L2 strength with one schedule; both write the same files.
"""

from __future__ import annotations

from klayer.data.dataset import open_dataset
from klayer.parallel.runner import checkpointed
from klayer.params import of_stage
from klayer.settings import Training
from klayer.study.best import best_l2, best_name
from klayer.training.job import one_for_each_seed
from klayer.training.results import write_run


def run(name: str) -> None:
    """Writes the files of the experiment NAME, see `write_run`.

    Raises KlayerError when its settings or the data are missing.
    """
    stage = f"train@{name}"
    _run(stage, name, of_stage(stage, Training))


def run_best(schedule: str) -> None:
    """Writes the files of the run best_SCHEDULE, see `write_run`.

    Raises KlayerError when its settings, the search or the data are missing.
    """
    stage = f"train_best@{schedule}"
    _run(stage, best_name(schedule), of_stage(stage, Training, l2=best_l2()))


def _run(stage: str, name: str, training: Training) -> None:
    with checkpointed(stage) as train:
        outcomes = train(one_for_each_seed(training, keep=True))
        write_run(name, training, outcomes, open_dataset())
