"""Loops over the elements of arrays, compiled to machine code by Numba.

What is large and elementwise is written as loops where NumPy would pass over the arrays once for
every operation: a loop reads each value once, and may be read beside the equation it computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(loop: Loop) -> Loop:
    """Compiles a function of arrays and numbers when it is first called with such.

    The machine code is kept in `__pycache__` beside the function's module, for this kind of
    processor. No operation is reordered, and a division by 0 raises nothing, as in NumPy.
    """
    return cast(Loop, numba.njit(cache=True, error_model="numpy")(loop))
