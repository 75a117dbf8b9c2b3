"""The three products of an affine layer, each output summed in an order that is written down.

Arrays are float32 or float64, all of one type, with contiguous rows: x (n, d), weights W (units, d)
as PyTorch's Linear has them, the gradient g (n, units) of the scores. fma(a, b, c) is a b + c,
rounded once. A fused multiply-add of the sum stands in its order whatever the size of the tiles, so
a row of the result depends on its own row of the operand alone, and on no processor.

Arrays of another shape, or whose rows are not contiguous, raise ValueError, of another type
numba.TypingError. Infinities and NaN give what IEEE 754 gives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from klayer.kernels.loops import both, compiled, cut, two_threads
from klayer.kernels.tiles import BITS, DOTS, FEATURES, LANES, OUTER, dots, outer, sum_of_lanes

Array = NDArray[np.floating]

ROWS, COLUMNS = DOTS
OUT_ROWS, VECTORS = OUTER
GROUP = 40  # rows of x whose partial sums stay in the second-level cache
REGISTER = BITS // 8  # bytes
LINE = 64  # columns: whole registers, whole lines of the cache

_dot, _dot_row, _dot_column, _dot_one = (
    dots(r, c) for r, c in ((ROWS, COLUMNS), (1, COLUMNS), (ROWS, 1), (1, 1))
)
_outer, _outer_row, _outer_column, _outer_one = (
    outer(r, v) for r, v in ((OUT_ROWS, VECTORS), (1, VECTORS), (OUT_ROWS, 1), (1, 1))
)


def padded_matrix(rows: int, columns: int, dtype: np.dtype | type) -> Array:
    """An array (rows, columns or more) of zeros at an address that is a multiple of 64.

    A row whose bytes are a multiple of 1,024 is followed by 64 bytes of room: the same columns of
    all rows would else share few places of the processor's first-level cache.
    """
    size = np.dtype(dtype).itemsize
    line = 64 // size
    stride = columns + line if columns * size % 1024 == 0 else columns
    memory = np.zeros(rows * stride + line, dtype)
    start = -memory.ctypes.data // size % line
    return memory[start : start + rows * stride].reshape(rows, stride)


def scores(x: Array, w: Array, b: Array, out: Array) -> None:
    """out = x W^T + b, for b (units,) and out (n, units): the scores of an affine layer.

    Lane l of 16 sums x[i, k] W[j, k] over k = l, l + 16, l + 32, ... in this order, beginning at 0,
    by fma(x, W, sum). The lanes are added by halves, lane l and l + 8, then l and l + 4, l and
    l + 2, 0 and 1; b[j] is added last.
    """
    if two_threads(x.size * len(w)):
        at = cut(len(x))
        both(_scores, (x[:at], w, b, out[:at]), (x[at:], w, b, out[at:]))
    else:
        _scores(x, w, b, out)


@compiled
def _scores(x: Array, w: Array, b: Array, out: Array) -> None:
    n, d = x.shape
    units = w.shape[0]
    if w.shape[1] != d or b.size != units or out.shape[0] != n or out.shape[1] != units:
        raise ValueError("x (n, d), w (units, d), b (units,) and out (n, units) do not fit")
    if not (_rows_are_contiguous(x) and _rows_are_contiguous(w)):
        raise ValueError("the rows of x and w have to be contiguous")
    rest = d % LANES
    whole = d - rest
    w_rest = np.zeros((units, LANES), x.dtype)
    _copy(w, whole, w_rest, 0, rest)
    x_rest = np.zeros((min(n, GROUP), LANES), x.dtype)
    part = np.empty((min(n, GROUP), units, LANES), x.dtype)
    for start in range(0, n, GROUP):
        rows = min(GROUP, n - start)
        for f in range(0, whole, FEATURES):
            blocks = min(FEATURES, whole - f) // LANES
            _add_dots(x[start : start + rows], w, part, f, blocks, f == 0)
        if rest:
            _copy(x[start : start + rows], whole, x_rest, 0, rest)
            _add_dots(x_rest[:rows], w_rest, part, 0, 1, whole == 0)
        for i in range(rows):
            for j in range(units):
                out[start + i, j] = sum_of_lanes(part, i, j) + b[j]


@compiled
def _copy(source: Array, first: int, target: Array, at: int, columns: int) -> None:
    """Some columns of all rows of the source, into the target."""
    for i in range(source.shape[0]):
        for j in range(columns):
            target[i, at + j] = source[i, first + j]


@compiled
def _rows_are_contiguous(x: Array) -> bool:
    return x.shape[1] < 2 or x.strides[1] == x.itemsize


@compiled
def _add_dots(x: Array, w: Array, part: Array, f: int, blocks: int, first: bool) -> None:
    """Adds to part (n, units, 16), or begins, the products of `blocks` blocks from feature f on."""
    n, units = x.shape[0], w.shape[0]
    whole_n, whole_units = n - n % ROWS, units - units % COLUMNS
    for i in range(0, whole_n, ROWS):
        for j in range(0, whole_units, COLUMNS):
            _dot(x, w, part, i, j, f, blocks, first)
        for j in range(whole_units, units):
            _dot_column(x, w, part, i, j, f, blocks, first)
    for i in range(whole_n, n):
        for j in range(0, whole_units, COLUMNS):
            _dot_row(x, w, part, i, j, f, blocks, first)
        for j in range(whole_units, units):
            _dot_one(x, w, part, i, j, f, blocks, first)


def gradient(g: Array, x: Array, out: Array) -> None:
    """out (units, d) = g^T x: the gradient of an affine layer's weights.

    Sums g[k, i] x[k, j] over the images k = 0, 1, ..., n - 1, beginning at 0, by fma(g, x, sum).
    """
    _sum_rows(g.T, x, out, False, 0.0, 0.0)


def descend(w: Array, g: Array, x: Array, rate: float, decay: float) -> None:
    """W <- W - rate (g^T x + decay W), for W (units, d): a step of gradient descent.

    The sum begins at decay W[i, j], then as in `gradient`; then W[i, j] = fma(-rate, sum, W[i, j]).
    rate and decay are rounded to the type of W.
    """
    _sum_rows(g.T, x, w, True, rate, decay)


def input_gradient(g: Array, w: Array, out: Array) -> None:
    """out (n, d) = g W, for W (units, d): the gradient of an affine layer's input.

    Sums g[i, k] W[k, j] over the units k = 0, 1, ..., beginning at 0, by fma(g, W, sum).
    """
    _sum_rows(g, w, out, False, 0.0, 0.0)


def _sum_rows(a: Array, x: Array, out: Array, updates: bool, rate: float, decay: float) -> None:
    """out = a x; in an update out <- out - rate (a x + decay out)."""
    if two_threads(x.size * len(out)):
        at, rest = cut(x.shape[1], LINE), (updates, rate, decay)
        left = a, x[:, :at], out[:, :at], *rest
        both(_sum_rows_of, left, (a, x[:, at:], out[:, at:], *rest))
    else:
        _sum_rows_of(a, x, out, updates, rate, decay)


@compiled
def _sum_rows_of(a: Array, x: Array, out: Array, updates: bool, rate: float, decay: float) -> None:
    count, d = x.shape
    rows = out.shape[0]
    if a.shape != (rows, count) or out.shape[1] != d:
        raise ValueError("the shapes of the gradient, the other factor and the product do not fit")
    if not (_rows_are_contiguous(x) and _rows_are_contiguous(out)):
        raise ValueError("the rows of the images, weights and products have to be contiguous")
    number, width = x.dtype.type, REGISTER // x.itemsize
    rates = number(rate), number(decay)
    whole = d - d % width
    _sum_columns(a, x, out, whole, updates, *rates)
    if whole < d:
        x_rest, out_rest = np.zeros((count, width), x.dtype), np.zeros((rows, width), x.dtype)
        _copy(x, whole, x_rest, 0, d - whole)
        _copy(out, whole, out_rest, 0, d - whole)
        _sum_columns(a, x_rest, out_rest, width, updates, *rates)
        _copy(out_rest, 0, out, whole, d - whole)


@compiled
def _sum_columns(
    a: Array, x: Array, out: Array, d: int, updates: bool, rate: np.floating, decay: np.floating
) -> None:
    """The first d columns, whole registers of them."""
    width, rows = REGISTER // x.itemsize, out.shape[0]
    whole_d, whole_rows = d - d % (width * VECTORS), rows - rows % OUT_ROWS
    for f in range(0, whole_d, width * VECTORS):
        for i in range(0, whole_rows, OUT_ROWS):
            _outer(a, x, out, i, f, updates, rate, decay)
        for i in range(whole_rows, rows):
            _outer_row(a, x, out, i, f, updates, rate, decay)
    for f in range(whole_d, d, width):
        for i in range(0, whole_rows, OUT_ROWS):
            _outer_column(a, x, out, i, f, updates, rate, decay)
        for i in range(whole_rows, rows):
            _outer_one(a, x, out, i, f, updates, rate, decay)
