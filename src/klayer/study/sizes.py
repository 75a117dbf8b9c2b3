"""Refuses settings that no machine could train, or that do not fit the memory of this one.

What is counted is less than what is needed, so nothing is refused that would have ended well.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise

from klayer.data.dataset import CLASSES, PIXELS
from klayer.errors import KlayerError
from klayer.params import show
from klayer.study.gradient_settings import CheckGradients
from klayer.study.search_settings import Search
from klayer.training.settings import Training

STEPS = 10**9  # weeks
COLUMNS = 8  # of the curves: step, learning rate, three measures of both parts
BYTES = 4  # of a number, at least


def check_training(path: str, training: Training) -> None:
    """Raises KlayerError for the section at `path` when its steps or numbers are too many."""
    if training.steps > STEPS:
        raise KlayerError(
            f"params.yaml: {path} has 2 * half_cycle * cycles = {show(training.steps)} steps, it "
            f"has to be at most {STEPS:,}, which take weeks"
        )
    points = training.steps // training.evaluation_interval
    inputs = training.batch_size * max((PIXELS, *training.hidden))
    count = _weights(PIXELS, training.hidden) + inputs + COLUMNS * points
    _check_memory(path, count, "lower hidden or batch_size, or raise evaluation_interval")


def check_search(search: Search, training: Training) -> None:
    """As `check_training`, of the search's populations."""
    at_once = min(search.population_size, max(search.coarse.count, search.fine.count + 1))
    count = at_once * _weights(PIXELS, training.hidden) + search.coarse.count + search.fine.count
    _check_memory("search", count, "lower population_size, coarse.count or fine.count")


def check_gradients(check: CheckGradients) -> None:
    """As `check_training`, of the networks whose gradients are checked."""
    of_one = max(_weights(check.features, hidden) for hidden in check.hidden)
    count = max(check.networks) * of_one + check.images * check.features
    _check_memory("check_gradients", count, "lower hidden, networks or images")


def _weights(inputs: int, hidden: Sequence[int]) -> int:
    return sum(d * units for d, units in pairwise((inputs, *hidden, len(CLASSES))))


def _check_memory(path: str, count: int, way_out: str) -> None:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if BYTES * count > memory:
        raise KlayerError(
            f"params.yaml: {path} needs more than {show(BYTES * count >> 30)} GB, this machine has "
            f"{memory >> 30}: {way_out}"
        )
