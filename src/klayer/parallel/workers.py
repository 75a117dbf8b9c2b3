"""Maps tasks over processes of this machine, one for each core."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import joblib
from joblib.externals.loky.process_executor import BrokenProcessPool

from klayer.errors import KlayerError
from klayer.parallel.environment import end_with

T = TypeVar("T")
R = TypeVar("R")


def map_tasks(function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
    """function(task) of each task, as soon as it is there.

    Where one process is enough it is this one. Raises KlayerError when a worker dies.
    """
    processes = min(_cores(), len(tasks))
    if processes <= 1:
        yield from map(function, tasks)
        return
    usual = {"batch_size": 1, "return_as": "generator_unordered"}
    try:
        with joblib.parallel_config("loky", initializer=_begin, initargs=(os.getpid(),)):
            parallel = joblib.Parallel(processes, **usual)
            yield from parallel(joblib.delayed(function)(task) for task in tasks)
    except BrokenProcessPool as error:
        raise KlayerError(
            "a worker process was ended from outside, perhaps for want of memory; what was "
            "finished is kept: run the same command again"
        ) from error


def _cores() -> int:
    """Processes that can work at once: one for each core. Where no semaphore can be made, as in a
    container without /dev/shm, joblib counts one, and says so.
    """
    try:
        return int(joblib.cpu_count())
    except ValueError:
        raise KlayerError(
            f"LOKY_MAX_CPU_COUNT is {os.environ.get('LOKY_MAX_CPU_COUNT')!a}, it has to be the "
            "number of cores to use, at least 1"
        ) from None


def _begin(parent: int) -> None:
    """In a new worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers to Ctrl-C
    end_with(parent)
