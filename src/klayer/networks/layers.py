"""The layers of a k-layer network: each a forward pass and its backward pass side by side.

Over populations as in `arrays`; batch normalisation and the output have modules of their own.
"""

from __future__ import annotations

import numpy as np

from klayer.networks.arrays import Array, split
from klayer.networks.compiled import compiled
from klayer.networks.layer import Layer, Mode
from klayer.networks.store import Store

FEATURES = 384  # of a product at a time: as many as OpenBLAS itself takes, for Haswell's kernels


def sum_of_products(x: Array, v: Array, part: Array, out: Array) -> Array:
    """out = x v, for x (n, d_in) with many more features than v (d_in, columns) has columns.

    Summed up over groups of features, each near the peak of the processor; one product over all of
    them may run at half of it or less. `part` is for the products, of the shape of `out`.
    """
    np.matmul(x[:, :FEATURES], v[:FEATURES], out=out)
    for start in range(FEATURES, len(v), FEATURES):
        group = slice(start, start + FEATURES)
        np.add(out, np.matmul(x[:, group], v[group], out=part), out=out)
    return out


@compiled
def scale_and_shift(x: Array, scale: Array, shift: Array, out: Array) -> None:
    """out = scale * x + shift, where x and out are (n, M*d), scale and shift (M*d,)."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = scale[j] * x[i, j] + shift[j]


class InputAffine(Layer):
    """scores = x W + b on the images, which all networks share: the first layer."""

    def __init__(self, units: int) -> None:
        self.units = units

    def build(self, d: int, store: Store) -> int:
        """For images of d numbers."""
        self.w, self.b = store.input_weight("W", d, self.units), store.vector("b", self.units, 0)
        self.scores, self.part = store.scores(self.units), store.buffer(self.units)  # (n, M*d_out)
        self.ones = np.ones(store.samples, store.dtype)
        return self.units

    def forward(self, x: Array, mode: Mode) -> Array:
        """Scores (n, M*d_out) of x (n, d_in)."""
        self.x = x
        sum_of_products(x, self.w.v, self.part, self.scores)
        scale_and_shift(self.scores, self.w.column_scale, self.b.value, self.scores)
        return self.scores

    def backward(self, grad: Array) -> Array:
        """Fills the gradient of b, and lets W keep what its own is made of.

        The images need no gradient, so that of the scores is returned.
        """
        np.dot(self.ones, grad, out=self.b.grad)
        self.w.keep(self.x, grad)
        return grad


class Affine(Layer):
    """scores = x W + b, where each network has its own input."""

    def __init__(self, units: int) -> None:
        self.units = units

    def build(self, d: int, store: Store) -> int:
        """For inputs of d units."""
        self.w, self.b = store.weight("W", d, self.units), store.vector("b", self.units, 0)
        self.ones = np.ones(store.samples, store.dtype)
        self.scores = store.scores(self.units)  # (n, M*d_out)
        self.grad_x = store.training_buffer(d)  # (n, M*d_in)
        self.scores_of_each = split(self.scores, store.networks)  # (M, n, d_out)
        self.grad_x_of_each = split(self.grad_x, store.networks)  # (M, n, d_in)
        return self.units

    def forward(self, x: Array, mode: Mode) -> Array:
        """Scores (n, M*d_out) of x (n, M*d_in)."""
        w = self.w.value  # (M, d_in, d_out)
        self.x = split(x, len(w))  # (M, n, d_in)
        np.matmul(self.x, w, out=self.scores_of_each)
        return np.add(self.scores, self.b.value, out=self.scores)

    def backward(self, grad: Array) -> Array:
        """Gradient (n, M*d_in) of x; fills those of W and b."""
        w = self.w.value
        of_each = split(grad, len(w))  # (M, n, d_out)
        np.dot(self.ones, grad, out=self.b.grad)
        np.matmul(self.x.transpose(0, 2, 1), of_each, out=self.w.grad)  # x^T grad
        np.matmul(of_each, w.transpose(0, 2, 1), out=self.grad_x_of_each)
        return self.grad_x


class ReLU(Layer):
    """max(0, x), elementwise."""

    activates = True

    def build(self, d: int, store: Store) -> int:
        """As many units as its input."""
        self.out = store.buffer(d)  # (n, M*d)
        return d

    def forward(self, x: Array, mode: Mode) -> Array:
        """The output, of the shape of x, which stays as it is; NaN stays NaN."""
        _relu(x, self.out)
        return self.out

    def backward(self, grad: Array) -> Array:
        """The gradient where the output was positive, else 0; in place of `grad`."""
        _relu_backward(self.out, grad)
        return grad


@compiled
def _relu(x: Array, out: Array) -> None:
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = zero if x[i, j] < zero else x[i, j]


@compiled
def _relu_backward(out: Array, grad: Array) -> None:
    zero = grad.dtype.type(0)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            grad[i, j] = grad[i, j] if out[i, j] > zero else zero
