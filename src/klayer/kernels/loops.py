"""Loops over the elements of arrays: compiled to machine code by Numba, large ones on two threads.

What is large and elementwise is written as loops where NumPy would pass over the arrays once for
every operation: a loop reads each value once, and may be read beside the equation it computes.

Only outputs that do not depend on each other are divided between threads, so no bit depends on
their number. Numba says how many threads a process may use: NUMBA_NUM_THREADS, else its cores;
joblib gives each of its workers a share of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

Loop = TypeVar("Loop", bound=Callable[..., Any])
Tasks = SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], SimpleQueue[BaseException | None]]]

THREADS: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
WORTHWHILE = 1_000_000  # multiply-adds; for fewer it takes too long to wake a thread
FIRST = 0.55  # share of the calling thread: the other one begins some 40 microseconds later


def compiled(loop: Loop) -> Loop:
    """Compiles a function of arrays and numbers when it is first called with such.

    The machine code is cached in `__pycache__` beside the function's module, or where Numba finds a
    folder that it may write, for this kind of processor. No operation is reordered or fused, and a
    division by 0 raises nothing, as in NumPy.
    """
    function: Any = numba.njit(error_model="numpy", nogil=True)(loop)
    with suppress(RuntimeError):  # no folder can be written: every process compiles again
        function._cache = _Cache(loop)
    return cast(Loop, function)


class _Cache(FunctionCache):
    """Is renewed when the function's module or any module of klayer.kernels changes.

    Numba itself looks at the function's module alone, and would run old code of the kernels that
    the function calls.
    """

    def __init__(self, loop: Callable[..., Any]) -> None:
        super().__init__(loop)
        self._cache_file._source_stamp = _source_digest(Path(loop.__code__.co_filename))

    def save_overload(self, sig: Any, data: Any) -> None:
        """A full disk is no fault: every process compiles again."""
        with suppress(OSError):
            super().save_overload(sig, data)


@cache
def _source_digest(module: Path) -> str:
    """Of the source of a module and of all modules of klayer.kernels."""
    paths = sorted({module, *Path(__file__).parent.glob("*.py")})
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def two_threads(work: int) -> bool:
    """Whether to cut a loop of so many multiply-adds in two."""
    return work >= WORTHWHILE and THREADS > 1


def cut(count: int, multiple: int = 1) -> int:
    """How many of `count` rows or columns the calling thread takes, a multiple of some number."""
    return int(FIRST * count) // multiple * multiple


def both(loop: Callable[..., Any], one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    """loop(*one) and loop(*other), at once where no other thread of the process does the same."""
    is_taken, tasks = _second_thread()
    if not is_taken.acquire(blocking=False):
        loop(*one)
        loop(*other)
        return
    try:
        end: SimpleQueue[BaseException | None] = SimpleQueue()
        tasks.put((loop, other, end))
        try:
            loop(*one)
        finally:
            error = end.get()
        if error is not None:
            raise error
    finally:
        is_taken.release()


@cache
def _second_thread() -> tuple[Lock, Tasks]:
    """A lock for its user, and its tasks: it starts with the first and does one after the other."""
    tasks: Tasks = SimpleQueue()
    Thread(target=_work, args=(tasks,), name="klayer", daemon=True).start()
    return Lock(), tasks


def _work(tasks: Tasks) -> None:
    while True:
        loop, arguments, end = tasks.get()
        try:
            loop(*arguments)
            end.put(None)
        except BaseException as error:
            end.put(error)


os.register_at_fork(after_in_child=_second_thread.cache_clear)  # a child has none of the threads
