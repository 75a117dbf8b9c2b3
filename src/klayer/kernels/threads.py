"""Two threads for one large loop, where the process may use a second core.

What is cut in two are outputs that do not depend on each other, so no bit depends on the threads.
Numba says how many a process may use: NUMBA_NUM_THREADS, else its cores; joblib gives each of its
workers a share of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numba

THREADS: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
WORTHWHILE = 1_000_000  # multiply-adds; for fewer it takes too long to wake a thread


class _Second:
    """A second thread, and who uses it."""

    def __init__(self) -> None:
        self.pool, self.taken = ThreadPoolExecutor(1, "klayer"), Lock()


_second = _Second()


def _after_fork() -> None:
    """The child has none of its parent's threads."""
    global _second
    _second = _Second()


os.register_at_fork(after_in_child=_after_fork)


def two_threads(work: int) -> bool:
    """Whether to cut a loop of so many multiply-adds in two."""
    return work >= WORTHWHILE and THREADS > 1


def both(loop: Callable[..., None], one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    """loop(*one) and loop(*other), at once where no other thread of the process does the same."""
    second = _second
    if not second.taken.acquire(blocking=False):
        loop(*one)
        loop(*other)
        return
    try:
        try:
            result = second.pool.submit(loop, *other)
        except RuntimeError:  # no thread is to be had: the main thread has ended, or a limit
            loop(*one)
            loop(*other)
            return
        try:
            loop(*one)
        finally:
            result.result()
    finally:
        second.taken.release()
