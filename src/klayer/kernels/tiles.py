"""Tiles of matrix products in LLVM's words: sums in vector registers, by fused multiply-adds.

A tile holds rows x columns sums in registers while it runs along the axis that is summed over.
Its size follows the registers of the processor, which decides the speed; each sum is made of the
same operations in the same order in a tile of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.registry import cpu_target

intrinsic: Any = numba.extending.intrinsic
LANES = 16  # sums that `dots` keeps side by side
INT = ir.IntType(64)

# Of the largest vector registers for which code is made: those of the processor, unless
# NUMBA_CPU_FEATURES says otherwise.
_PROCESSOR = cpu_target.target_context.codegen().magic_tuple()[2]
BITS = 512 if "+avx512f" in _PROCESSOR else 256 if "+avx2" in _PROCESSOR else 128
# Sizes of tiles: rows and columns of `dots`, rows and registers of `outer`; and the features of a
# row that `dots` takes at a time, so that the rows of a tile stay in the first-level cache.
# 32 registers of 512 bits, 16 of 256, 32 of 128 (Arm; SSE2 has 16, and no fused multiply-add).
DOTS, OUTER, FEATURES = {
    512: ((5, 5), (5, 4), 1024),
    256: ((4, 3), (5, 2), 512),
    128: ((5, 4), (5, 4), 512),
}[BITS]


def dots(rows: int, columns: int):
    """Makes the function dot(x, w, part, i, j, f, blocks, first).

    part[i + r, j + c, lane] = (0 if first, else itself) + sum over blocks of
    x[i + r, f + 16 block + lane] * w[j + c, f + 16 block + lane], for r < rows, c < columns.
    """

    @intrinsic
    def dot(context, x, w, part, i, j, f, blocks, first):
        dtype = common_type(x, w, part)

        def build(context, b, signature, arguments):
            i, j, f, blocks, first = arguments[3:]
            v = Vectors(context, b, dtype)
            x, w, part = (v.array(signature.args[k], arguments[k]) for k in range(3))

            def add_lanes(lane: int) -> None:
                """A part of the lanes, as many as a register holds."""

                def feature(block):
                    return v.add(b.add(f, b.mul(block, INT(LANES))), lane)

                def sums(r: int, c: int):
                    return part(v.add(i, r), v.add(j, c), INT(lane))

                v.tile(
                    rows,
                    columns,
                    blocks,
                    left=lambda r, block: v.load(x(v.add(i, r), feature(block))),
                    right=lambda c, block: v.load(w(v.add(j, c), feature(block))),
                    begin=lambda r, c: b.select(first, v.zeros(), v.load(sums(r, c))),
                    end=lambda r, c, total: v.store(total, sums(r, c)),
                )

            for lane in range(0, LANES, v.width):
                add_lanes(lane)
            return context.get_dummy_value()

        return types.void(x, w, part, *[types.int64] * 4, types.boolean), build

    return dot


def outer(rows: int, vectors: int):
    """Makes the function outer(a, x, out, row, f, updates, rate, decay).

    Sums a[row + r, k] * x[k, column] over all rows k = 0, 1, ... of x, for r < rows and the columns
    of `vectors` registers from f on. The sums become out[row + r, column]; in an update they begin
    at decay * out, and out <- out - rate * sum.
    """

    @intrinsic
    def product(context, a, x, out, row, f, updates, rate, decay):
        dtype = common_type(a, x, out)

        def build(context, b, signature, arguments):
            row, f, updates, rate, decay = arguments[3:]
            v = Vectors(context, b, dtype)
            a, x, out = (v.array(signature.args[k], arguments[k]) for k in range(3))
            images = context.make_array(signature.args[1])(context, b, arguments[1])
            count = b.extract_value(images.shape, 0)
            rates, decays = v.broadcast(b.fneg(rate)), v.broadcast(decay)

            def place(r: int, c: int):
                return out(v.add(row, r), v.add(f, c * v.width))

            def begin(r: int, c: int):
                return b.select(updates, b.fmul(decays, v.load(place(r, c))), v.zeros())

            def end(r: int, c: int, total) -> None:
                updated = v.fma(rates, total, v.load(place(r, c)))
                v.store(b.select(updates, updated, total), place(r, c))

            v.tile(
                rows,
                vectors,
                count,
                left=lambda r, k: v.broadcast(b.load(a(v.add(row, r), k))),
                right=lambda c, k: v.load(x(k, v.add(f, c * v.width))),
                begin=begin,
                end=end,
            )
            return context.get_dummy_value()

        kinds = (a, x, out, types.int64, types.int64, types.boolean, dtype, dtype)
        return types.void(*kinds), build

    return product


class Vectors:
    """Vectors of `width` floats, by default as many as a register holds."""

    def __init__(self, context, builder, dtype, width: int = 0) -> None:
        self.context, self.b, self.size = context, builder, dtype.bitwidth // 8
        self.width = width or BITS // dtype.bitwidth
        number = ir.FloatType() if self.size == 4 else ir.DoubleType()
        self.type = ir.VectorType(number, self.width)

    def add(self, index, offset: int):
        return self.b.add(index, INT(offset))

    def array(self, kind, value) -> Callable[..., Any]:
        """Gives the address of an element by its indices."""
        array = self.context.make_array(kind)(self.context, self.b, value)
        return lambda *at: cgutils.get_item_pointer(self.context, self.b, kind, array, at)

    def load(self, address):
        value = self.b.load(self.b.bitcast(address, self.type.as_pointer()))
        value.align = self.size
        return value

    def store(self, value, address) -> None:
        pointer = self.b.bitcast(address, self.type.as_pointer())
        self.b.store(value, pointer).align = self.size

    def zeros(self):
        return ir.Constant(self.type, [0.0] * self.width)

    def broadcast(self, number):
        empty = ir.Constant(self.type, ir.Undefined)
        first = self.b.insert_element(empty, number, ir.IntType(32)(0))
        return self._shuffled(first, [0] * self.width)

    def fma(self, x, y, z):
        name = f"llvm.fma.v{self.width}f{8 * self.size}"
        kind = ir.FunctionType(self.type, [self.type] * 3)
        return self.b.call(cgutils.get_or_insert_function(self.b.module, kind, name), [x, y, z])

    def tile(self, rows: int, columns: int, count, left, right, begin, end) -> None:
        """rows x columns sums in registers: sum = begin(r, c), then for k = 0, 1, ..., count - 1
        sum = fma(left(r, k), right(c, k), sum), at last end(r, c, sum).
        """
        cells = [(r, c) for r in range(rows) for c in range(columns)]
        sums = {(r, c): cgutils.alloca_once_value(self.b, begin(r, c)) for r, c in cells}
        with cgutils.for_range(self.b, count) as loop:
            rights = [right(c, loop.index) for c in range(columns)]
            for r in range(rows):
                factor = left(r, loop.index)
                for c in range(columns):
                    total = self.fma(factor, rights[c], self.b.load(sums[r, c]))
                    self.b.store(total, sums[r, c])
        for r, c in cells:
            end(r, c, self.b.load(sums[r, c]))

    def sum(self, vector):
        """The sum of all lanes: lane l + lane l + half, halving until one is left."""
        half = self.width // 2
        while half:
            lower, upper = (self._shuffled(vector, range(s, s + half)) for s in (0, half))
            vector, half = self.b.fadd(lower, upper), half // 2
        return self.b.extract_element(vector, ir.IntType(32)(0))

    def _shuffled(self, vector, lanes: Sequence[int]):
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))
        return self.b.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def common_type(*arrays):
    """The type of the numbers of all arrays."""
    dtype = arrays[0].dtype
    if dtype not in (types.float32, types.float64) or any(a.dtype != dtype for a in arrays):
        kinds = ", ".join(str(array.dtype) for array in arrays)
        raise TypingError(f"the arrays hold {kinds}: all have to be float32, or all float64")
    return dtype


@intrinsic
def sum_of_lanes(context, part, i, j):
    """The sum of part[i, j, :], of 16 lanes: s[l] = p[l] + p[l + 8] for l < 8, t[l] = s[l] +
    s[l + 4] for l < 4, u[l] = t[l] + t[l + 2] for l < 2, then u[0] + u[1].
    """
    dtype = common_type(part)

    def build(context, b, signature, arguments):
        v = Vectors(context, b, dtype, LANES)
        part = v.array(signature.args[0], arguments[0])
        return v.sum(v.load(part(*arguments[1:], INT(0))))

    return dtype(part, types.int64, types.int64), build
