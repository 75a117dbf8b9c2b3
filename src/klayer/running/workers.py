"""Maps tasks over processes of this machine, one for each core."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import joblib
from joblib.externals.loky.process_executor import BrokenProcessPool

from klayer.errors import KlayerError
from klayer.running.environment import end_with

T = TypeVar("T")
R = TypeVar("R")

POLL = 0.2  # seconds


def map_tasks(
    function: Callable[[T], R], tasks: Sequence[T], poll: Callable[[], None] = lambda: None
) -> Iterator[R]:
    """function(task) of each task, as soon as it is there; `poll` is called a few times a second.

    Where one process is enough it is this one. Raises KlayerError when a worker dies.
    """
    processes = min(_cores(), len(tasks))
    try:
        with polled(poll):
            if processes <= 1:
                yield from map(function, tasks)
            else:
                yield from _spread(function, tasks, processes)
    except BrokenProcessPool as error:
        raise KlayerError(
            "a worker process was ended from outside, perhaps for want of memory; what was "
            "finished is kept: run the same command again"
        ) from error


def _spread(function: Callable[[T], R], tasks: Sequence[T], processes: int) -> Iterator[R]:
    with joblib.parallel_config(
        backend="loky", inner_max_num_threads=1, initializer=_begin, initargs=(os.getpid(),)
    ):
        yield from joblib.Parallel(
            processes, batch_size=1, pre_dispatch="all", return_as="generator_unordered"
        )(joblib.delayed(function)(task) for task in tasks)


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


@contextmanager
def polled(poll: Callable[[], None]) -> Iterator[None]:
    """Calls `poll` now and then, and once more at the end."""
    stop = threading.Event()

    def again() -> None:
        while not stop.wait(POLL):
            poll()

    poller = threading.Thread(target=again, daemon=True)
    poller.start()
    try:
        yield
    finally:
        stop.set()
        poller.join()
        poll()


def _begin(parent: int) -> None:
    """In a new worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers to Ctrl-C
    end_with(parent)
