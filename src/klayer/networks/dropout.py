"""Dropout, Srivastava et al. (2014), over populations as in `arrays`."""

from __future__ import annotations

import numpy as np

from klayer.networks.arrays import Array, split
from klayer.networks.compiled import compiled
from klayer.networks.layer import Layer, Mode
from klayer.networks.store import Store


class Dropout(Layer):
    """x * mask, where the mask is 0 with the probability `rate` and else 1 / (1 - rate).

    In training a mask is drawn for every pass, so that the mean of the output is x; otherwise the
    output is x. Each network draws from its own generator, whichever it is trained with.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def build(self, d: int, store: Store) -> int:
        """As many units as its input."""
        self.generators = store.generators
        self.out, self.mask = store.training_buffer(d), store.training_buffer(d)  # (n, M*d)
        self.mask_of_each = split(self.mask, store.networks)  # (M, n, d)
        self.drawn = np.empty((len(self.mask), d), store.dtype)  # of one network
        return d

    def forward(self, x: Array, mode: Mode) -> Array:
        """The output, of the shape of x (n, M*d); x itself where nothing is dropped."""
        if mode is not Mode.TRAIN or not self.rate:
            return x
        kind = self.drawn.dtype.type
        rate, kept = kind(self.rate), kind(1 / (1 - self.rate))
        for generator, mask in zip(self.generators, self.mask_of_each, strict=True):
            generator.random(dtype=kind, out=self.drawn)
            _choose(self.drawn, rate, kept, mask)
        return np.multiply(x, self.mask, out=self.out)

    def backward(self, grad: Array) -> Array:
        """The gradient times the mask, in place of `grad`."""
        return np.multiply(grad, self.mask, out=grad) if self.rate else grad


@compiled
def _choose(drawn: Array, rate: np.floating, kept: np.floating, mask: Array) -> None:
    """mask = 0 where a number drawn from [0, 1) is below the rate, else `kept`."""
    zero = drawn.dtype.type(0)
    for i in range(drawn.shape[0]):
        for j in range(drawn.shape[1]):
            mask[i, j] = zero if drawn[i, j] < rate else kept
