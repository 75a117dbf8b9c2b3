"""Two threads for one large loop, where the process may use a second core.

What is cut in two are outputs that do not depend on each other, so no bit depends on the threads.
Numba says how many a process may use: NUMBA_NUM_THREADS, else its cores; joblib gives each of its
workers a share of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

import numba

THREADS: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
WORTHWHILE = 1_000_000  # multiply-adds; for fewer it takes too long to wake a thread
FIRST = 0.55  # share of the calling thread: the other one begins some 40 microseconds later

Loop = Callable[..., None]
End = SimpleQueue[BaseException | None]


class _SecondThread:
    """A thread that runs one loop after the other, and whether somebody uses it."""

    def __init__(self) -> None:
        self.taken, self.started = Lock(), False
        self.tasks: SimpleQueue[tuple[Loop, tuple[Any, ...], End]] = SimpleQueue()

    def run(self, loop: Loop, arguments: tuple[Any, ...]) -> End:
        """Starts loop(*arguments). Returns where its end is told, with the error, if any."""
        if not self.started:
            Thread(target=self._work, name="klayer", daemon=True).start()
            self.started = True
        end: End = SimpleQueue()
        self.tasks.put((loop, arguments, end))
        return end

    def _work(self) -> None:
        while True:
            loop, arguments, end = self.tasks.get()
            try:
                loop(*arguments)
                end.put(None)
            except BaseException as error:
                end.put(error)


_second = _SecondThread()


def _after_fork() -> None:
    """The child has none of its parent's threads."""
    global _second
    _second = _SecondThread()


os.register_at_fork(after_in_child=_after_fork)


def two_threads(work: int) -> bool:
    """Whether to cut a loop of so many multiply-adds in two."""
    return work >= WORTHWHILE and THREADS > 1


def cut(count: int, multiple: int = 1) -> int:
    """How many of `count` rows or columns the calling thread takes, a multiple of some number."""
    return int(FIRST * count) // multiple * multiple


def both(loop: Loop, one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    """loop(*one) and loop(*other), at once where no other thread of the process does the same."""
    second = _second
    if not second.taken.acquire(blocking=False):
        loop(*one)
        loop(*other)
        return
    try:
        end = second.run(loop, other)
        try:
            loop(*one)
        finally:
            error = end.get()
        if error is not None:
            raise error
    finally:
        second.taken.release()
