"""The runs of the study, whose networks are trained and tested one for each seed.

Each experiment of params.yaml is one, under its name; the best lambda of the search, trained by the
schedule S, is one under the name `best_S`. All write the same files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from klayer import params
from klayer.errors import KlayerError
from klayer.params import show
from klayer.training.settings import Training

BEST = "best_"
FOUND = Path("metrics/search_l2.json")

Sections = Mapping[str, Any]  # of params.yaml


def run_names(sections: Sections) -> list[str]:
    """The names of all runs: the experiments, then the schedules of the best lambda."""
    return [*params.names(sections, "experiments"), *map(best_name, schedules(sections))]


def run_training(sections: Sections, run: str) -> Training:
    """How the networks of a run are trained. Raises KlayerError for a name that is none."""
    if run in params.names(sections, "experiments"):
        return experiment(sections, run)
    if run in run_names(sections):
        return best(sections, run.removeprefix(BEST))
    known = ", ".join(run_names(sections))
    raise KlayerError(f"params.yaml has no run {show(run)} (known: {known})")


def experiment(sections: Sections, name: str) -> Training:
    """`training` with what the experiment changes."""
    return params.section_over(sections, "training", f"experiments.{name}", Training)


def searching(sections: Sections) -> Training:
    """How the search trains: `training` with what `search.training` changes."""
    return params.section_over(sections, "training", "search.training", Training)


def schedules(sections: Sections) -> list[str]:
    """The names of the schedules by which the best lambda is trained."""
    return params.names(sections, "search.schedules")


def best_name(schedule: str) -> str:
    """The name of the run that trains the best lambda by a schedule."""
    return f"{BEST}{schedule}"


def best(sections: Sections, schedule: str) -> Training:
    """How the best lambda is trained by a schedule.

    Raises KlayerError for a schedule that is not in params.yaml, or when there is no search yet.
    """
    if schedule not in schedules(sections):
        known = ", ".join(schedules(sections))
        raise KlayerError(f"params.yaml: search.schedules has no {show(schedule)} (known: {known})")
    return scheduled(sections, schedule, best_l2())


def scheduled(sections: Sections, schedule: str, l2: float) -> Training:
    """How a lambda is trained: as in the search, with what the schedule changes.

    The curves have the points of `training`; the search draws none.
    """
    usual, search = sections["training"], sections["search"]["training"]
    interval = {"evaluation_interval": usual["evaluation_interval"]}
    over = {**sections, "training": {**usual, **search, **interval, "l2": l2}}
    return params.section_over(over, "training", f"search.schedules.{schedule}", Training)


def best_l2() -> float:
    """The best lambda that the search found. Raises KlayerError when there is none."""
    try:
        return float(json.loads(FOUND.read_text())["best_l2"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{FOUND} tells no best_l2 ({error!r}): run `dvc repro search_l2`"
        raise KlayerError(reason) from None
