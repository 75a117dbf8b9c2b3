"""A contestant may come in several forms, compiled or not, with more or fewer threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import joblib

from benchmarks.case import Trainer

STEPS = 40  # of a try
TRIES = 3

Forms = Mapping[str, Callable[[], Trainer]]  # what it is, and what makes it


def fastest(forms: Forms) -> tuple[str, Trainer]:
    """The form whose shortest of a few tries is the shortest, and what it is."""
    trainers = {form: make() for form, make in forms.items()}
    if len(trainers) == 1:
        return trainers.popitem()
    seconds = {form: _seconds(trainer) for form, trainer in trainers.items()}
    best = min(seconds, key=lambda form: seconds[form])
    return best, trainers[best]


def thread_counts() -> list[int]:
    """1, 2, 4, ... up to one thread for each core."""
    cores: int = joblib.cpu_count()
    return sorted({min(2**power, cores) for power in range(cores.bit_length() + 1)})


def threads(count: int) -> str:
    """A number of threads in words."""
    return f"{count} thread" + "s" * (count > 1)


def _seconds(trainer: Trainer) -> float:
    """The shortest time of a few; the first call, which may compile, does not count."""
    trainer.train(STEPS)
    times = []
    for _ in range(TRIES):
        start = time.perf_counter()
        trainer.train(STEPS)
        times.append(time.perf_counter() - start)
    return min(times)
