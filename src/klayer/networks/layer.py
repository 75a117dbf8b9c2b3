"""What a layer is, and layers one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import Enum

import numpy as np

from klayer.networks.arrays import Array
from klayer.networks.store import Store


class Mode(Enum):
    """What a forward pass is for: batch norm, for example, trains with the batch's statistics."""

    TRAIN = "train"
    EVALUATE = "evaluate"  # changes nothing
    COLLECT = "collect"  # takes the statistics for inference from the batches of this network


class Layer(ABC):
    """A forward pass and its backward pass, over all networks of a population.

    A pass returns an array of the layer's own, made when it is built: it is valid until the next
    call, and the layer that it is handed to may write its gradient over it.
    """

    activates = False  # whether it is an activation function: a skip connection ends before it

    @abstractmethod
    def build(self, d: int, store: Store) -> int:
        """Asks the store for parameters and arrays for inputs of d units; returns its units."""

    @abstractmethod
    def forward(self, x: Array, mode: Mode) -> Array:
        """The output (n, M*d_out) of the input x (n, M*d)."""

    @abstractmethod
    def backward(self, grad: Array) -> Array:
        """The gradient (n, M*d) of the input, from that of the output (n, M*d_out).

        Belongs to the last forward pass in `Mode.TRAIN`; fills the gradients of its parameters.
        """


class Sequential(Layer):
    """Layers one after the other."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = list(layers)

    def build(self, d: int, store: Store) -> int:
        """Each layer for the units of the one before it."""
        for layer in self.layers:
            d = layer.build(d, store)
        return d

    def forward(self, x: Array, mode: Mode) -> Array:
        """From the first layer to the last."""
        for layer in self.layers:
            x = layer.forward(x, mode)
        return x

    def backward(self, grad: Array) -> Array:
        """From the last layer to the first."""
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad


class Residual(Layer):
    """x + f(x), where f is a sequence of layers: He et al. (2016), equation 1."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.inner = Sequential(layers)

    def build(self, d: int, store: Store) -> int:
        """Raises ValueError unless f gives as many units as it takes."""
        units = self.inner.build(d, store)
        if units != d:
            raise ValueError(f"a skip connection from {d} units to {units}")
        self.out, self.grad_x = store.buffer(d), store.training_buffer(d)  # (n, M*d)
        return d

    def forward(self, x: Array, mode: Mode) -> Array:
        """x + f(x), of the shape of x (n, M*d)."""
        return np.add(x, self.inner.forward(x, mode), out=self.out)

    def backward(self, grad: Array) -> Array:
        """That of the output, and what f makes of it; f may write over `grad`."""
        self.grad_x[:] = grad
        return np.add(self.grad_x, self.inner.backward(grad), out=self.grad_x)
