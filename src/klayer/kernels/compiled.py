"""Loops over the elements of arrays, compiled to machine code by Numba.

What is large and elementwise is written as loops where NumPy would pass over the arrays once for
every operation: a loop reads each value once, and may be read beside the equation it computes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

Loop = TypeVar("Loop", bound=Callable[..., Any])


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


@cache
def _source_digest(module: Path) -> str:
    """Of the source of a module and of all modules of klayer.kernels."""
    digest = hashlib.sha256()
    for path in sorted({module, *Path(__file__).parent.glob("*.py")}):
        digest.update(path.read_bytes())
    return digest.hexdigest()
