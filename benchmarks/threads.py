"""Finds the number of threads with which a contestant is fastest."""

from __future__ import annotations

import time
from collections.abc import Callable

import joblib

from benchmarks.case import Train

STEPS = 40  # of a try
TRIES = 3


def with_best_threads(train: Callable[[int, int], None]) -> Train:
    """`train(steps, threads)` with the fastest of 1, 2, 4, ... threads, up to one for each core."""
    cores = joblib.cpu_count()
    choices = sorted({min(2**power, cores) for power in range(cores.bit_length() + 1)})
    best = min(choices, key=lambda threads: _seconds(train, threads))

    def with_best(steps: int) -> None:
        train(steps, best)

    return with_best


def _seconds(train: Callable[[int, int], None], threads: int) -> float:
    """The shortest time of a few; the first call, which may compile, does not count."""
    train(STEPS, threads)
    times = []
    for _ in range(TRIES):
        start = time.perf_counter()
        train(STEPS, threads)
        times.append(time.perf_counter() - start)
    return min(times)
