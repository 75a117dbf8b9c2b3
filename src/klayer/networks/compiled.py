"""Loops over the elements of arrays, compiled to machine code by Numba.

What is large and elementwise is written as loops where NumPy would pass over the arrays once for
every operation: a loop reads each value once, and may be read beside the equation it computes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

Loop = TypeVar("Loop", bound=Callable[..., Any])
_told: list[str] = []


def compiled(loop: Loop) -> Loop:
    """Compiles a function of arrays and numbers when it is first called with such.

    The machine code is kept in `__pycache__` beside the function's module, or where Numba finds a
    folder that it may write, for this kind of processor. No operation is reordered, and a division
    by 0 raises nothing, as in NumPy.
    """
    function: Any = numba.njit(error_model="numpy")(loop)
    try:
        function._cache = _Cache(loop)  # type: ignore[no-untyped-call]
    except RuntimeError as error:  # Numba finds no folder
        if not _told:
            _told.append(str(error))
            print(
                "no folder for compiled code can be written: every process compiles again, some "
                "seconds; NUMBA_CACHE_DIR=FOLDER names one",
                file=sys.stderr,
            )
    return cast(Loop, function)


class _Cache(FunctionCache):
    """Takes what cannot be read, such as a file that a full disk cut short, for a miss."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:  # a damaged pickle can raise almost anything
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):  # the code is in memory, and works
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
