"""Reads the pickle of a CIFAR-10 batch without running any of it.

A pickle is a program for a stack machine. This one knows only the instructions that the batches
consist of, and the only things that it can make are text, whole numbers, lists, tuples,
dictionaries and one kind of array of bytes. Names such as `numpy.ndarray` are compared and never
looked up, so there is nothing that a hostile pickle could call. `pickletools` does the parsing.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

INSTRUCTIONS = 200_000  # a batch has about 50,000; the limit bounds the memory
RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
MARK = object()


class UnsoundPickleError(Exception):
    """Not the pickle of a batch; the text says why."""


@dataclass(frozen=True)
class _Name:
    """A name of the kind "module name", as the instruction GLOBAL has it."""

    text: str


class _Bytes:
    """What stands for `numpy.dtype("u1")`."""


@dataclass
class _Array:
    """What stands for a `numpy.ndarray` until its state has come."""

    values: NDArray[np.uint8] | None = None


def read_pickle(data: bytes) -> dict[str, Any]:
    """The dictionary that the pickle holds: text, whole numbers, lists, and arrays of uint8.

    Text of Python 2 is decoded as Latin-1. Raises UnsoundPickleError for anything else.
    """
    machine = _Machine()
    try:
        with warnings.catch_warnings():  # pickletools warns of odd escapes in text
            warnings.simplefilter("ignore")
            _run(machine, data)
        (result,) = machine.stack
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        raise UnsoundPickleError(f"it is broken ({_short(error)})") from None
    if not isinstance(result, dict):
        raise UnsoundPickleError("it does not hold a dictionary")
    return {key: v.values if isinstance(v, _Array) else v for key, v in result.items()}


def _run(machine: _Machine, data: bytes) -> None:
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if count >= INSTRUCTIONS:
            raise UnsoundPickleError(f"it has more than {INSTRUCTIONS:,} instructions")
        machine.execute(opcode.name, argument)


class _Machine:
    """The stack and the memory of the pickle's program."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def execute(self, name: str, argument: Any) -> None:
        if name in PUSHED:
            self.stack.append(argument)
        elif name in MADE:
            self.stack.append(MADE[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "GLOBAL":
            self.stack.append(_known(argument))
        elif name in COMBINED:
            COMBINED[name](self.stack)
        elif name not in ("PROTO", "STOP"):
            raise UnsoundPickleError(f"the instruction {name} has no place in it")


def _known(name: str) -> _Name:
    if name not in (*RECONSTRUCT, "numpy ndarray", "numpy dtype"):
        raise UnsoundPickleError(f"the name {_short(name)} has no place in it")
    return _Name(name)


def _since_mark(stack: list[Any]) -> list[Any]:
    """Takes what was pushed after the last mark, and the mark."""
    position = len(stack) - 1
    while stack[position] is not MARK:  # IndexError where there is none
        position -= 1
    items = stack[position + 1 :]
    del stack[position:]
    return items


def _tuple(size: int) -> Callable[[list[Any]], None]:
    def combine(stack: list[Any]) -> None:
        items = tuple(stack.pop() for _ in range(size))
        stack.append(items[::-1])

    return combine


def _marked_tuple(stack: list[Any]) -> None:
    stack.append(tuple(_since_mark(stack)))


def _appends(stack: list[Any]) -> None:
    items = _since_mark(stack)
    if not isinstance(stack[-1], list):
        raise UnsoundPickleError("it appends to something that is not a list")
    stack[-1].extend(items)


def _set_items(stack: list[Any]) -> None:
    items = _since_mark(stack)
    keys, values = items[::2], items[1::2]
    if not isinstance(stack[-1], dict) or not all(isinstance(key, str) for key in keys):
        raise UnsoundPickleError("its keys are not text")
    stack[-1].update(zip(keys, values, strict=True))


def _reduce(stack: list[Any]) -> None:
    """Calls a function, in a pickle: here the two calls that make an empty array and its dtype."""
    arguments, function = stack.pop(), stack.pop()
    match function, arguments:
        case _Name("numpy dtype"), ("u1", *_):
            stack.append(_Bytes())
        case _Name(name), (_Name("numpy ndarray"), *_) if name in RECONSTRUCT:
            stack.append(_Array())
        case _:
            raise UnsoundPickleError("it calls something else than an array of bytes needs")


def _build(stack: list[Any]) -> None:
    """Gives an object its state: shape and bytes, for an array."""
    state, target = stack.pop(), stack[-1]
    match target, state:
        case _Bytes(), tuple():
            pass  # byte order and alignment, which single bytes do not have
        case _Array(None), (1, (int(rows), int(columns)), _Bytes(), bool(fortran), str(text)):
            if rows < 0 or rows * columns != len(text):
                raise UnsoundPickleError("the shape of its array does not fit its bytes")
            flat = np.frombuffer(text.encode("latin-1"), np.uint8)
            target.values = flat.reshape((rows, columns), order="F" if fortran else "C")
        case _:
            raise UnsoundPickleError("the state of its array is not a table of bytes")


def _short(value: object) -> str:
    text = repr(str(value))
    return text if len(text) <= 80 else text[:77] + "..."


PUSHED = {"BININT", "BININT1", "BININT2", "SHORT_BINSTRING", "BINSTRING", "BINUNICODE"}
MADE: dict[str, Callable[[], object]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "MARK": lambda: MARK,
}
COMBINED: dict[str, Callable[[list[Any]], None]] = {
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "TUPLE": _marked_tuple,
    "APPENDS": _appends,
    "SETITEMS": _set_items,
    "REDUCE": _reduce,
    "BUILD": _build,
}
