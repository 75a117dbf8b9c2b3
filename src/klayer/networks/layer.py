"""What a layer is, and layers one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import Enum

from klayer.networks.arrays import Array
from klayer.networks.store import Store


class Mode(Enum):
    """What a forward pass is for: batch norm, for example, trains with the batch's statistics."""

    TRAIN = "train"
    EVALUATE = "evaluate"  # changes nothing


class Layer(ABC):
    """A forward pass and its backward pass, over all networks of a population.

    A pass returns an array of the layer's own, made when it is built: it is valid until the next
    call, and the layer that it is handed to may write its gradient over it.
    """

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
