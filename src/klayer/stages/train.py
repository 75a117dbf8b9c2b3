"""Stages `train@NAME` and `train_best@SCHEDULE`: train and test the networks of one run.

A run is an experiment, or the best L2 strength with one schedule; both write the same files.
"""

from __future__ import annotations

import json
from pathlib import Path

from klayer.data.dataset import open_dataset
from klayer.errors import KlayerError
from klayer.parallel.runner import checkpointed
from klayer.params import stage_settings
from klayer.settings import BEST, Training
from klayer.training.results import write_run
from klayer.training.trainer import one_for_each_seed

SEARCH = Path("metrics/search_l2.json")


def run(name: str) -> None:
    """Writes the files of the experiment NAME, see `write_run`.

    Raises KlayerError when its settings or the images are missing.
    """
    stage = f"train@{name}"
    _run(stage, name, stage_settings(stage, Training))


def run_best(schedule: str) -> None:
    """Writes the files of the run best_SCHEDULE, see `write_run`.

    Raises KlayerError when its settings, the search or the images are missing.
    """
    stage = f"train_best@{schedule}"
    _run(stage, f"{BEST}{schedule}", stage_settings(stage, Training, l2=best_l2()))


def best_l2() -> float:
    """The best lambda of the search. Raises KlayerError when there is none."""
    try:
        return float(json.loads(SEARCH.read_text(encoding="utf-8"))["best_l2"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KlayerError(
            f"{SEARCH} has no best_l2 ({error!r}): run `dvc repro search_l2`"
        ) from None


def _run(stage: str, name: str, training: Training) -> None:
    with checkpointed(stage) as train:
        outcomes = train(one_for_each_seed(training, keep=True))
        write_run(name, training, outcomes, open_dataset())
