"""Vectors and matrices in LLVM's words: loads, stores, fused multiply-adds, bits of numbers."""

from __future__ import annotations

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


BITS = _register_bits()


class Vectors:
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


class Matrix:
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


def common_type(*arrays: Any) -> Any:
    """The type of the numbers of all arrays."""
    dtype = arrays[0].dtype
    if dtype not in (types.float32, types.float64) or any(a.dtype != dtype for a in arrays):
        kinds = ", ".join(str(array.dtype) for array in arrays)
        raise TypingError(f"the arrays hold {kinds}: all have to be float32, or all float64")
    return dtype


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
