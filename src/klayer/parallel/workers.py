"""Maps tasks over processes of this machine, one for each core."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import joblib
from joblib.externals.loky.process_executor import BrokenProcessPool

from klayer.environment import end_with
from klayer.errors import KlayerError

T = TypeVar("T")
R = TypeVar("R")


def map_tasks(function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
    """function(task) of each task, as soon as it is there.

    Where one process is enough it is this one. Raises KlayerError when a worker dies.
    """
    processes = min(joblib.cpu_count(), len(tasks))
    if processes <= 1:
        yield from map(function, tasks)
        return
    try:
        with joblib.parallel_config("loky", initializer=_begin, initargs=(os.getpid(),)):
            parallel = joblib.Parallel(processes, batch_size=1, return_as="generator_unordered")
            yield from parallel(joblib.delayed(function)(task) for task in tasks)
    except BrokenProcessPool as error:
        raise KlayerError(
            "a worker process was killed, perhaps because memory ran out; what was finished is "
            "kept: run the same command again"
        ) from error


def _begin(parent: int) -> None:
    """In a new worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers to Ctrl-C
    end_with(parent)
