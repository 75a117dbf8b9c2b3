"""Checks every value of params.yaml at once, so that no mistake shows up after an hour of work."""

from __future__ import annotations

from klayer import params
from klayer.data.archive import BATCH, TRAINING
from klayer.data.sources import DataConfig
from klayer.errors import KlayerError
from klayer.params import show
from klayer.study.gradient_settings import CheckGradients
from klayer.study.search import Search
from klayer.training.settings import Training

SECTIONS = ("data", "training", "experiments", "check_gradients", "search")


def check_all() -> None:
    """Raises KlayerError for the first section that is wrong, with all that is wrong in it."""
    sections = params.read()
    for name in sections:
        if name not in SECTIONS:
            known = ", ".join(SECTIONS)
            raise KlayerError(f"params.yaml: {show(name)} is not a known section (known: {known})")
    data = params.section(sections, "data", DataConfig)
    images = BATCH * len(TRAINING) - data.validation
    for path, training in _trainings(sections).items():
        if training.batch_size > images:
            _refuse(
                f"{path}.batch_size", training.batch_size, f"at most the {images} training images"
            )
    params.section(sections, "check_gradients", CheckGradients)
    _check_search(
        params.section(sections, "search", Search),
        params.section_over(sections, "training", "search.training", Training),
    )


def _trainings(sections: dict[str, object]) -> dict[str, Training]:
    """The settings of each experiment, by the path of its section."""
    found = {"training": params.section(sections, "training", Training)}
    for name in params.names(sections, "experiments"):
        path = f"experiments.{name}"
        found[path] = params.section_over(sections, "training", path, Training)
    return found


def _check_search(search: Search, training: Training) -> None:
    if search.coarse.smallest > search.coarse.largest:
        _refuse("search.coarse.smallest", search.coarse.smallest, "at most search.coarse.largest")
    if search.best.evaluations > training.steps:
        allowed = f"at most the {training.steps} steps of a run"
        _refuse("search.best.evaluations", search.best.evaluations, allowed)
    if search.best.longer_cycles < training.cycles:
        allowed = f"at least the {training.cycles} cycles of the usual training"
        _refuse("search.best.longer_cycles", search.best.longer_cycles, allowed)


def _refuse(path: str, value: object, allowed: str) -> None:
    raise KlayerError(f"params.yaml: {path} is {show(value)}, it has to be {allowed}")
