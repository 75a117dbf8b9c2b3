"""The runs of the study, whose networks are trained and tested one for each seed.

Each experiment of params.yaml is one, under its name; the best lambda of the search, trained by the
schedule S, is one under the name `best_S`. All write the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from klayer import params
from klayer.errors import KlayerError
from klayer.params import show
from klayer.settings import Training
from klayer.study.best import BEST, best_l2, best_name

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


def best(sections: Sections, schedule: str) -> Training:
    """How the best lambda is trained by a schedule. Raises KlayerError without a search yet."""
    return scheduled(sections, schedule, best_l2())


def scheduled(sections: Sections, schedule: str, l2: float) -> Training:
    """How a lambda is trained: as in the search, with what the schedule changes.

    The curves have the points of `training`; the search draws none.
    """
    usual, search = sections["training"], sections["search"]["training"]
    interval = {"evaluation_interval": usual["evaluation_interval"]}
    over = {**sections, "training": {**usual, **search, **interval, "l2": l2}}
    return params.section_over(over, "training", f"search.schedules.{schedule}", Training)
