"""What a layer is, and layers one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klayer.kernels.loops import compiled
from klayer.kernels.products import padded_matrix

Array = NDArray[np.floating]
Labels = NDArray[np.integer]


class Mode(Enum):
    """What a forward pass is for: batch norm, for example, trains with the batch's statistics."""

    TRAIN = "train"
    EVALUATE = "evaluate"  # changes nothing
    COLLECT = "collect"  # takes the statistics for inference from the batches of this network


class Parameter:
    """Numbers that are trained, and their gradient of the last backward pass, of the same shape: of
    the mean cross-entropy, without the L2 term.
    """

    decays = False  # whether L2 regularisation applies

    def __init__(self, value: Array) -> None:
        self.value = value
        self.grad: Array = np.zeros_like(value)

    def descend(self, rate: float, decay: float) -> None:
        """value <- value - rate (grad + decay value); decay is 0 where it does not decay."""
        _descend(self.value, self.grad, self.value.dtype.type(rate))


@compiled
def _descend(value: Array, grad: Array, rate: np.floating) -> None:
    for j in range(value.size):
        value[j] -= rate * grad[j]


class Buffer:
    """Memory for an array of a layer's own, used again by the next pass."""

    def __init__(self, columns: int, dtype: np.dtype) -> None:
        self.columns, self._memory = columns, padded_matrix(0, columns, dtype)

    def __call__(self, rows: int) -> Array:
        """An array (rows, columns), which holds whatever was there."""
        if rows > len(self._memory):
            self._memory = padded_matrix(rows, self.columns, self._memory.dtype)
        return self._memory[:rows, : self.columns]

    def padded(self, rows: int) -> Array:
        """The array of the last call with the room behind its rows: contiguous, so that loops over
        it are compiled to operations on whole registers.
        """
        return self._memory[:rows]


@dataclass(frozen=True)
class Start:
    """What layers are built of: the type of all numbers, the initial weights of a shape (units,
    inputs), and the generator from which dropout draws.
    """

    dtype: np.dtype
    initial_weights: Callable[[tuple[int, int]], Array]
    dropout: np.random.Generator


class Layer(ABC):
    """A forward pass and its backward pass.

    A pass returns an array of the layer's own: it is valid until the next pass, and the layer that
    it is handed to may write its gradient over it.
    """

    kind: str  # its name in params.yaml
    name = ""  # in its network, where it has arrays: affine1, batch_norm1, affine2, ...
    activates = False  # whether it is an activation function: a skip connection ends before it
    parameters: dict[str, Parameter]  # by name: weight, bias, gamma, beta
    state: dict[str, Array]  # what is saved but not trained: running mean and variance

    def __init__(self) -> None:
        self.parameters, self.state = {}, {}

    @abstractmethod
    def build(self, inputs: int, start: Start) -> int:
        """Makes parameters and buffers for inputs of so many units; returns the layer's units."""

    @abstractmethod
    def forward(self, x: Array, mode: Mode) -> Array:
        """The output (n, units) of the input x (n, inputs)."""

    @abstractmethod
    def backward(self, grad: Array) -> Array:
        """The gradient (n, inputs) of the input, from that of the output (n, units).

        Belongs to the last forward pass in `Mode.TRAIN`; fills the gradients of its parameters.
        """

    def all(self) -> Iterator[Layer]:
        """The layer and those that it is made of, from the first to the last."""
        yield self

    def description(self) -> dict[str, Any]:
        """What it takes to build it again, with the name of its arrays."""
        return ({"name": self.name} if self.name else {}) | {"layer": self.kind}


class Sequential(Layer):
    """Layers one after the other."""

    kind = "sequential"

    def __init__(self, layers: Iterable[Layer]) -> None:
        super().__init__()
        self.layers = list(layers)

    def build(self, inputs: int, start: Start) -> int:
        for layer in self.layers:
            inputs = layer.build(inputs, start)
        return inputs

    def forward(self, x: Array, mode: Mode) -> Array:
        for layer in self.layers:
            x = layer.forward(x, mode)
        return x

    def backward(self, grad: Array) -> Array:
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad

    def all(self) -> Iterator[Layer]:
        for layer in self.layers:
            yield from layer.all()

    def description(self) -> dict[str, Any]:
        return super().description() | {"layers": [layer.description() for layer in self.layers]}


class Residual(Sequential):
    """x + f(x), where f is a sequence of layers: He et al. (2016), equation 1."""

    kind = "residual"

    def build(self, inputs: int, start: Start) -> int:
        """Raises ValueError unless f gives as many units as it takes."""
        units = super().build(inputs, start)
        if units != inputs:
            raise ValueError(f"a skip connection from {inputs} units to {units}")
        self._out, self._grad = Buffer(units, start.dtype), Buffer(units, start.dtype)
        return units

    def forward(self, x: Array, mode: Mode) -> Array:
        return np.add(x, super().forward(x, mode), out=self._out(len(x)))

    def backward(self, grad: Array) -> Array:
        total = self._grad(len(grad))
        total[:] = grad  # f may write over `grad`
        return np.add(total, super().backward(grad), out=total)
