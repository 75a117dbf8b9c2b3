"""The layers of a k-layer network: each a forward pass and its backward pass side by side.

Batch normalisation and the loss have modules of their own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from klayer.kernels.loops import compiled
from klayer.kernels.products import descend, gradient, input_gradient, padded_matrix, scores
from klayer.networks.layer import Array, Buffer, Layer, Mode, Parameter, Start

Shape = tuple[int, int]  # of weights, (units, inputs): the fan out and the fan in


def uniform(generator: Generator, sigma: float, shape: Shape) -> Array:
    """Within +-1/sqrt(fan in)."""
    bound = 1 / np.sqrt(shape[1])
    return generator.uniform(-bound, bound, shape)


def xavier(generator: Generator, sigma: float, shape: Shape) -> Array:
    """Within +-sqrt(6 / (fan in + fan out)): Glorot and Bengio (2010), equation 16."""
    bound = np.sqrt(6 / sum(shape))
    return generator.uniform(-bound, bound, shape)


def he(generator: Generator, sigma: float, shape: Shape) -> Array:
    """Normal with standard deviation sqrt(2 / fan in): He et al. (2015)."""
    return generator.normal(0, np.sqrt(2 / shape[1]), shape)


def normal(generator: Generator, sigma: float, shape: Shape) -> Array:
    """Normal with standard deviation sigma, in every layer."""
    return generator.normal(0, sigma, shape)


# A function for each name that `initialisation` in params.yaml may use.
INITIALISATIONS: dict[str, Callable[[Generator, float, Shape], Array]] = {
    "uniform": uniform,
    "xavier": xavier,
    "he": he,
    "normal": normal,
}


class Weight(Parameter):
    """The weights (units, inputs) of an affine layer, as PyTorch's Linear has them.

    The gradient is g^T x, of the layer's input x (n, inputs) and the gradient g (n, units) of its
    scores. It is as large as the weights, so it is computed when it is asked for, and gradient
    descent adds it to the weights while it makes it.
    """

    decays = True

    def __init__(self, value: Array) -> None:
        self.value = value
        self._grad = np.zeros(value.shape, value.dtype)

    def keep(self, g: Array, x: Array) -> None:
        """Takes the two factors of the gradient, which stay as they are until the next pass."""
        self._g, self._x = g, x

    @property
    def grad(self) -> Array:  # type: ignore[override]
        gradient(self._g, self._x, self._grad)
        return self._grad

    def descend(self, rate: float, decay: float) -> None:
        descend(self.value, self._g, self._x, rate, decay)


class Affine(Layer):
    """scores = x W^T + b, for W (units, inputs) and b (units,)."""

    kind = "affine"
    reads_images = False  # as the first layer, which makes no gradient of its input

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def build(self, inputs: int, start: Start) -> int:
        """Draws the initial weights; the biases are 0."""
        weight = padded_matrix(self.units, inputs, start.dtype)[:, :inputs]
        weight[:] = start.initial_weights(weight.shape)
        self.weight = Weight(weight)
        self.bias = Parameter(np.zeros(self.units, start.dtype))
        self.parameters = {"weight": self.weight, "bias": self.bias}
        self._scores, self._grad = Buffer(self.units, start.dtype), Buffer(inputs, start.dtype)
        return self.units

    def forward(self, x: Array, mode: Mode) -> Array:
        self.x, self.scores = x, self._scores(len(x))
        scores(x, self.weight.value, self.bias.value, self.scores)
        return self.scores

    def backward(self, grad: Array) -> Array:
        """Gradient (n, inputs) of x; of images none, then it returns `grad`."""
        _sum_rows(grad, self.bias.grad)
        self.weight.keep(grad, self.x)
        if self.reads_images:
            return grad
        out = self._grad(len(grad))
        input_gradient(grad, self.weight.value, out)
        return out


class ReLU(Layer):
    """max(0, x), elementwise; NaN stays NaN."""

    kind = "relu"
    activates = True

    def build(self, inputs: int, start: Start) -> int:
        self._out = Buffer(inputs, start.dtype)
        return inputs

    def forward(self, x: Array, mode: Mode) -> Array:
        self.out = self._out(len(x))
        _relu(x, self.out)
        return self.out

    def backward(self, grad: Array) -> Array:
        _relu_backward(self.out, grad)
        return grad


class Dropout(Layer):
    """x * mask, where the mask is 0 with the probability `rate` and else 1 / (1 - rate).

    In training a mask is drawn for every pass, so that the mean of the output is x; otherwise the
    output is x. Srivastava et al. (2014).
    """

    kind = "dropout"

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def build(self, inputs: int, start: Start) -> int:
        self.generator = start.dropout
        self._out, self._mask = Buffer(inputs, start.dtype), Buffer(inputs, start.dtype)
        return inputs

    def forward(self, x: Array, mode: Mode) -> Array:
        if mode is not Mode.TRAIN or not self.rate:
            return x
        self.mask = self._mask(len(x))
        drawn = self.generator.random(x.shape, x.dtype.type)
        kept = x.dtype.type(1 / (1 - self.rate))
        np.multiply(drawn >= x.dtype.type(self.rate), kept, out=self.mask)
        return np.multiply(x, self.mask, out=self._out(len(x)))

    def backward(self, grad: Array) -> Array:
        return np.multiply(grad, self.mask, out=grad) if self.rate else grad


@compiled
def _sum_rows(x: Array, total: Array) -> None:
    """total (units,) = the sum of the rows of x (n, units), from the first to the last."""
    total[:] = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            total[j] += x[i, j]


@compiled
def _relu(x: Array, out: Array) -> None:
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = zero if x[i, j] < zero else x[i, j]


@compiled
def _relu_backward(out: Array, grad: Array) -> None:
    """The gradient where the output was positive, else 0; in place of `grad`."""
    zero = grad.dtype.type(0)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            grad[i, j] = grad[i, j] if out[i, j] > zero else zero
