"""Checks every value of params.yaml at once, so that no mistake shows up after an hour of work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from klayer import params
from klayer.data.archive import BATCH, TRAINING
from klayer.errors import KlayerError
from klayer.params import show
from klayer.settings import CheckGradients, DataConfig, Search, Training, l2_limit
from klayer.study.best import best_name
from klayer.study.runs import experiment, scheduled, schedules, searching
from klayer.study.studies import study_names, trials

SECTIONS = ("data", "training", "experiments", "check_gradients", "search")
STUDIES = ("training", "studies")


def check_all() -> None:
    """Raises KlayerError for the first section that is wrong, with all that is wrong in it."""
    sections = params.read()
    if "studies" in sections:
        raise KlayerError("params.yaml has studies: here run `klayer studies ...` or `dvc repro`")
    _check_sections(sections, SECTIONS)
    data = params.section(sections, "data", DataConfig)
    params.section(sections, "check_gradients", CheckGradients)
    images = BATCH * len(TRAINING) - data.validation
    for path, training in _trainings(sections).items():
        if training.batch_size > images:
            allowed = f"at most the {images} training images"
            _refuse(f"{path}.batch_size", training.batch_size, allowed)
    _check_names(sections)


def check_studies() -> None:
    """As `check_all`, of studies/params.yaml."""
    sections = params.read()
    if "studies" not in sections:
        raise KlayerError("params.yaml has no studies: run `klayer studies ...` in studies/")
    _check_sections(sections, STUDIES)
    params.section(sections, "training", Training)
    for name in study_names(sections):
        trials(sections, name)


def _check_sections(sections: Iterable[object], known: Sequence[str]) -> None:
    """Sections of the user's own stages are left alone, names that look misspelt are not."""
    for name in set(sections) - set(known):
        for meant in get_close_matches(str(name).lower(), known, n=1, cutoff=0.8):
            raise KlayerError(
                f"params.yaml: {show(name)} is not a known section: did you mean {meant}? "
                "(a section of your own needs a name that is less like it)"
            )


def _trainings(sections: dict[str, object]) -> dict[str, Training]:
    """The settings of all that is trained, each by the path of its section."""
    found = {"training": params.section(sections, "training", Training)}
    for name in params.names(sections, "experiments"):
        found[f"experiments.{name}"] = experiment(sections, name)
    found["search.training"] = searching(sections)
    _check_search(params.section(sections, "search", Search), found["search.training"])
    l2 = found["search.training"].l2  # takes the place of the best one, which is not known yet
    for name in schedules(sections):
        found[f"search.schedules.{name}"] = scheduled(sections, name, l2)
    return found


def _check_search(search: Search, training: Training) -> None:
    if search.coarse.smallest > search.coarse.largest:
        _refuse("search.coarse.smallest", search.coarse.smallest, "at most search.coarse.largest")
    limit = l2_limit(training.learning_rate_max) / 10 ** (search.fine.decades / 2)
    if search.coarse.largest >= limit:
        allowed = f"below {limit:g}: around it a step would take all of a weight"
        _refuse("search.coarse.largest", search.coarse.largest, allowed)
    if not search.schedules:  # the report looks into the networks of the first
        _refuse("search.schedules", {}, "at least one, such as {two_cycles: {}}")
    for name, changes in search.schedules.items():
        if "l2" in changes:
            path = f"search.schedules.{name}.l2"
            _refuse(path, changes["l2"], "left out: schedules train the l2 that the search finds")


def _check_names(sections: dict[str, object]) -> None:
    """Experiments, the search and its schedules write files under their names."""
    taken = {"search_l2": "the search"}
    taken |= {best_name(s): f"search.schedules.{s}" for s in schedules(sections)}
    for name in params.names(sections, "experiments"):
        if name in taken:
            raise KlayerError(
                f"params.yaml: experiments has the name {show(name)}, under which {taken[name]} "
                "writes its files: give it another one"
            )


def _refuse(path: str, value: object, allowed: str) -> None:
    raise KlayerError(f"params.yaml: {path} is {show(value)}, it has to be {allowed}")
