"""Tiles of matrix products in LLVM's words: vectors, and fused multiply-adds on them.

A tile holds rows x columns sums in registers while it runs along the axis that is summed over.
Its size follows the registers of the processor, which decides the speed; each sum is made of the
same operations in the same order in a tile of any size.
"""

from __future__ import annotations

from dataclasses import dataclass
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


def _register_bits() -> int:
    """Of the largest vector registers for which code is made: those of the processor, unless
    NUMBA_CPU_FEATURES says otherwise.
    """
    features = cpu_target.target_context.codegen().magic_tuple()[2]
    return 512 if "+avx512f" in features else 256 if "+avx2" in features else 128


@dataclass(frozen=True)
class Tiles:
    """Sizes of tiles: sums of `dots` (rows, columns); of `outer` (rows, vectors); and features of
    a row that `dots` takes at a time, so that the rows of a tile stay in the first-level cache.
    """

    dots: tuple[int, int]
    outer: tuple[int, int]
    features: int


BITS = _register_bits()
# 32 registers of 512 bits, 16 of 256, 32 of 128 (Arm; SSE2 has 16, and no fused multiply-add).
TILES = {
    512: Tiles(dots=(5, 5), outer=(5, 4), features=1024),
    256: Tiles(dots=(4, 3), outer=(5, 2), features=512),
    128: Tiles(dots=(5, 4), outer=(5, 4), features=512),
}[BITS]


class _Vectors:
    """Vectors of `width` floats: loads, stores and fused multiply-adds."""

    def __init__(self, builder: Any, dtype: Any, lanes: int = 0) -> None:
        self.b, self.size = builder, dtype.bitwidth // 8
        self.number = ir.FloatType() if self.size == 4 else ir.DoubleType()
        self.width = lanes or min(BITS // 8 // self.size, LANES)
        self.type = ir.VectorType(self.number, self.width)

    def load(self, address: Any) -> Any:
        value = self.b.load(self.b.inttoptr(address, self.type.as_pointer()))
        value.align = self.size
        return value

    def store(self, value: Any, address: Any) -> None:
        pointer = self.b.inttoptr(address, self.type.as_pointer())
        self.b.store(value, pointer).align = self.size

    def zeros(self) -> Any:
        return ir.Constant(self.type, [0.0] * self.width)

    def broadcast(self, number: Any) -> Any:
        empty = ir.Constant(self.type, ir.Undefined)
        first = self.b.insert_element(empty, number, ir.IntType(32)(0))
        return self._shuffled(first, [0] * self.width)

    def load_one(self, address: Any) -> Any:
        return self.broadcast(self.b.load(self.b.inttoptr(address, self.number.as_pointer())))

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        name = f"llvm.fma.v{self.width}f{8 * self.size}"
        kind = ir.FunctionType(self.type, [self.type] * 3)
        return self.b.call(cgutils.get_or_insert_function(self.b.module, kind, name), [x, y, z])

    def sum(self, vector: Any) -> Any:
        """The sum of all lanes: lane l + lane l + half, halving until one is left."""
        width = self.width
        while width > 1:
            width //= 2
            halves = [self._shuffled(vector, range(s, s + width)) for s in (0, width)]
            vector = self.b.fadd(*halves)
        return self.b.extract_element(vector, ir.IntType(32)(0))

    def _shuffled(self, vector: Any, lanes: Any) -> Any:
        lanes = list(lanes)
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return self.b.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


class _Matrix:
    """Addresses of the elements of an array whose last axis is contiguous."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array = context.make_array(kind)(context, builder, value)
        self.b = builder
        self.start = builder.ptrtoint(array.data, INT)
        self.strides = cgutils.unpack_tuple(builder, array.strides, kind.ndim)

    def transpose_if(self, condition: Any) -> None:
        rows, columns = self.strides
        self.strides = [
            self.b.select(condition, columns, rows),
            self.b.select(condition, rows, columns),
        ]

    def at(self, *indices: Any) -> Any:
        address = self.start
        for index, stride in zip(indices, self.strides, strict=True):
            index = index if isinstance(index, ir.Value) else INT(index)
            address = self.b.add(address, self.b.mul(index, stride))
        return address


def _check(*arrays: Any) -> Any:
    """The type of the numbers of all arrays."""
    dtype = arrays[0].dtype
    if dtype not in (types.float32, types.float64) or any(a.dtype != dtype for a in arrays):
        kinds = ", ".join(str(array.dtype) for array in arrays)
        raise TypingError(f"the arrays hold {kinds}: all have to be float32, or all float64")
    return dtype


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
        dtype = _check(x, w, part)

        def build(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            kinds, (i, j, p, f, blocks, first) = signature.args[:3], arguments[3:]
            x, w, part = (
                _Matrix(context, b, kind, value)
                for kind, value in zip(kinds, arguments[:3], strict=True)
            )
            v = _Vectors(b, dtype)
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
        dtype = _check(a, x, out)

        def build(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            a, x, out = (_Matrix(context, b, signature.args[k], arguments[k]) for k in (0, 2, 3))
            transposed, row, f, count, updates, rate, decay = (
                arguments[k] for k in (1, *range(4, 10))
            )
            a.transpose_if(transposed)
            v = _Vectors(b, dtype)
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
    b: Any, v: _Vectors, rows: int, columns: int, begin: Any, count: Any, step: Any
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
    dtype = _check(part)

    def build(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(b, dtype, LANES)
        matrix = _Matrix(context, b, signature.args[0], arguments[0])
        return v.sum(v.load(matrix.at(arguments[1], arguments[2], 0)))

    return dtype(part, types.int64, types.int64), build


@intrinsic
def bits_of(context: Any, number: Any) -> Any:
    """The 64 bits of a float64 as an int64."""

    def build(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.bitcast(arguments[0], INT)

    return types.int64(types.float64), build


@intrinsic
def float_of(context: Any, bits: Any) -> Any:
    """The float64 of 64 bits."""

    def build(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), build
