"""Tiles of matrix products: sums in registers, by fused multiply-adds.

A tile holds rows x columns sums in registers while it runs along the axis that is summed over.
Its size follows the registers of the processor, which decides the speed; each sum is made of the
same operations in the same order in a tile of any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numba import types
from numba.core import cgutils

from klayer.kernels.vectors import BITS, INT, LANES, Matrix, Vectors, common_type, intrinsic


@dataclass(frozen=True)
class Tiles:
    """Sizes of tiles: sums of `dots` (rows, columns); of `outer` (rows, vectors); and features of
    a row that `dots` takes at a time, so that the rows of a tile stay in the first-level cache.
    """

    dots: tuple[int, int]
    outer: tuple[int, int]
    features: int


# 32 registers of 512 bits, 16 of 256, 32 of 128 (Arm; SSE2 has 16, and no fused multiply-add).
TILES = {
    512: Tiles(dots=(5, 5), outer=(5, 4), features=1024),
    256: Tiles(dots=(4, 3), outer=(5, 2), features=512),
    128: Tiles(dots=(5, 4), outer=(5, 4), features=512),
}[BITS]


def dots(rows: int, columns: int) -> Any:
    """Makes the function dot(x, w, part, i, j, p, f, blocks, first).

    part[p + r, j + c, lane] = (0 if first, else itself) + sum over blocks of
    x[i + r, f + 16 block + lane] * w[j + c, f + 16 block + lane], for r < rows, c < columns.
    """

    @intrinsic
    def dot(
        context: Any, x: Any, w: Any, part: Any, i: Any, j: Any, p: Any, f: Any, blocks: Any,
        first: Any,
    ) -> Any:  # fmt: skip
        dtype = common_type(x, w, part)

        def build(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            kinds, (i, j, p, f, blocks, first) = signature.args[:3], arguments[3:]
            x, w, part = (
                Matrix(context, b, kind, value)
                for kind, value in zip(kinds, arguments[:3], strict=True)
            )
            v = Vectors(b, dtype)
            for lane in range(0, LANES, v.width):  # a part of the lanes at a time

                def address(r: int, c: int, lane: int = lane) -> Any:
                    return part.at(b.add(p, INT(r)), b.add(j, INT(c)), lane)

                def step(block: Any, sums: Any, lane: int = lane) -> None:
                    at = b.add(b.add(f, b.mul(block, INT(LANES))), INT(lane))
                    ws = [v.load(w.at(b.add(j, INT(c)), at)) for c in range(columns)]
                    for r in range(rows):
                        xs = v.load(x.at(b.add(i, INT(r)), at))
                        for c in range(columns):
                            b.store(v.fma(xs, ws[c], b.load(sums[r][c])), sums[r][c])

                def begin(r: int, c: int, address: Any = address) -> Any:
                    return b.select(first, v.zeros(), v.load(address(r, c)))

                sums = _tile(b, v, rows, columns, begin, blocks, step)
                for r in range(rows):
                    for c in range(columns):
                        v.store(b.load(sums[r][c]), address(r, c))
            return context.get_dummy_value()

        numbers = [types.int64] * 5
        return types.void(x, w, part, *numbers, types.boolean), build

    return dot


def outer(rows: int, vectors: int) -> Any:
    """Makes the function outer(a, transposed, x, out, row, f, count, updates, rate, decay).

    Sums a[row + r, k] * x[k, column] (a[k, row + r] where transposed) over k = 0, 1, ..., count - 1
    for r < rows and the columns of `vectors` registers from f on. The sums become
    out[row + r, column]; in an update they begin at decay * out, and out <- out - rate * sum.
    """

    @intrinsic
    def product(
        context: Any, a: Any, transposed: Any, x: Any, out: Any, row: Any, f: Any, count: Any,
        updates: Any, rate: Any, decay: Any,
    ) -> Any:  # fmt: skip
        dtype = common_type(a, x, out)

        def build(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            a, x, out = (Matrix(context, b, signature.args[k], arguments[k]) for k in (0, 2, 3))
            transposed, row, f, count, updates, rate, decay = (
                arguments[k] for k in (1, *range(4, 10))
            )
            a.transpose_if(transposed)
            v = Vectors(b, dtype)
            rates, decays = v.broadcast(b.fneg(rate)), v.broadcast(decay)

            def column(c: int) -> Any:
                return b.add(f, INT(c * v.width))

            def address(r: int, c: int) -> Any:
                return out.at(b.add(row, INT(r)), column(c))

            def begin(r: int, c: int) -> Any:
                return b.select(updates, b.fmul(decays, v.load(address(r, c))), v.zeros())

            def step(k: Any, sums: Any) -> None:
                xs = [v.load(x.at(k, column(c))) for c in range(vectors)]
                for r in range(rows):
                    factor = v.load_one(a.at(b.add(row, INT(r)), k))
                    for c in range(vectors):
                        b.store(v.fma(factor, xs[c], b.load(sums[r][c])), sums[r][c])

            sums = _tile(b, v, rows, vectors, begin, count, step)
            for r in range(rows):
                for c in range(vectors):
                    total = b.load(sums[r][c])
                    updated = v.fma(rates, total, v.load(address(r, c)))
                    v.store(b.select(updates, updated, total), address(r, c))
            return context.get_dummy_value()

        flag, number = types.boolean, types.int64
        kinds = (a, flag, x, out, number, number, number, flag, dtype, dtype)
        return types.void(*kinds), build

    return product


def _tile(
    b: Any, v: Vectors, rows: int, columns: int, begin: Any, count: Any, step: Any
) -> list[list[Any]]:
    """rows x columns sums in registers: begun by `begin`, changed `count` times by `step`."""
    sums = [[cgutils.alloca_once(b, v.type) for _ in range(columns)] for _ in range(rows)]
    for r in range(rows):
        for c in range(columns):
            b.store(begin(r, c), sums[r][c])
    with cgutils.for_range(b, count) as loop:
        step(loop.index, sums)
    return sums


@intrinsic
def sum_of_lanes(context: Any, part: Any, i: Any, j: Any) -> Any:
    """The sum of part[i, j, :], of 16 lanes: s[l] = p[l] + p[l + 8] for l < 8, t[l] = s[l] +
    s[l + 4] for l < 4, u[l] = t[l] + t[l + 2] for l < 2, then u[0] + u[1].
    """
    dtype = common_type(part)

    def build(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        v = Vectors(b, dtype, LANES)
        matrix = Matrix(context, b, signature.args[0], arguments[0])
        return v.sum(v.load(matrix.at(arguments[1], arguments[2], 0)))

    return dtype(part, types.int64, types.int64), build


@intrinsic
def check_types(context: Any, x: Any, w: Any, b: Any, out: Any) -> Any:
    """Raises TypingError, when it is compiled, unless all arrays hold the same type."""
    common_type(x, w, b, out)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_dummy_value()

    return types.void(x, w, b, out), build
