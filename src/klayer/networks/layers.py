"""The layers of a k-layer network: each a forward pass and its backward pass side by side.

Every layer computes M networks at once, a *population*. Rows are samples; the M networks stand
side by side in the columns, so an activation of n samples and d units per network has the shape
(n, M*d), and everything but the products with W is written as for one wide network. Batch
normalisation and the output have modules of their own.

Arrays that a layer needs again and again are allocated once, when it is made, and named for what
they hold: a call returns a view of them, valid until the next call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_blas_funcs

from klayer.networks.compiled import compiled

Array = NDArray[np.floating]
Labels = NDArray[np.integer]


def split(columns: Array, networks: int) -> Array:
    """Views (n, M*d) as (M, n, d): the part of each network."""
    return columns.reshape(len(columns), networks, -1).transpose(1, 0, 2)


@compiled
def scale_and_shift(x: Array, scale: Array, shift: Array, out: Array) -> None:
    """out = scale * x + shift, where x and out are (n, M*d), scale and shift (M*d,)."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = scale[j] * x[i, j] + shift[j]


class InputAffine:
    """scores = scale * (x V) + b on the images: the first layer, with W = scale * V.

    All M networks read the same images, so one product with V, of shape (d_in, M*d_out), serves
    the whole population. The scale carries the weight decay (1 - 2 eta lambda) of each network, so
    that an update is a sum, without another pass over W: lazy weight decay, Bottou (2012),
    "Stochastic Gradient Descent Tricks", section 5.1.
    """

    def __init__(self, v: Array, scale: Array, b: Array, grad_b: Array, samples: int) -> None:
        self.v, self.scale = v, scale  # (d_in, M*d_out), (M*d_out,)
        self.b, self.grad_b = b, grad_b  # (M*d_out,)
        self.ones = np.ones(samples, v.dtype)
        self.scores = np.empty((samples, b.size), v.dtype)  # (n, M*d_out)
        self.gemm = get_blas_funcs("gemm", (v,))

    def forward(self, x: Array) -> Array:
        """Scores (n, M*d_out) of x (n, d_in)."""
        self.x = x
        np.matmul(x, self.v, out=self.scores)
        scale_and_shift(self.scores, self.scale, self.b, self.scores)
        return self.scores

    def backward(self, grad_scores: Array) -> None:
        """The gradient of b goes to grad_b; that of W waits for one of the next two calls."""
        np.dot(self.ones, grad_scores, out=self.grad_b)
        self.grad_scores = grad_scores  # (n, M*d_out)

    def weight_gradient(self, factor: Array) -> Array:
        """factor * dW = x^T (factor * grad_scores), (d_in, M*d_out), a factor for each column.

        The factor, a step size for example, is multiplied where the arrays are small. To be called
        once after each backward pass, whose gradient it scales in place.
        """
        gradient: Array = np.matmul(self.x.T, self._scaled(factor))
        return gradient

    def add_weight_gradient(self, factor: Array) -> None:
        """V <- V + factor * dW, in one call of BLAS, which adds the product while it makes it.

        BLAS counts in columns, so it is told V^T <- grad_scores^T x + V^T.
        """
        grad = self._scaled(factor)
        self.gemm(1.0, grad.T, self.x.T, 1.0, self.v.T, trans_b=True, overwrite_c=True)

    def _scaled(self, factor: Array) -> Array:
        return np.multiply(self.grad_scores, factor, out=self.grad_scores)


class Affine:
    """scores = x W + b, where each network has its own input."""

    def __init__(self, w: Array, b: Array, grad_w: Array, grad_b: Array, samples: int) -> None:
        networks, d_in, d_out = w.shape
        self.w, self.grad_w = w, grad_w  # (M, d_in, d_out)
        self.b, self.grad_b = b, grad_b  # (M*d_out,)
        self.ones = np.ones(samples, w.dtype)
        self.scores = np.empty((samples, networks * d_out), w.dtype)  # (n, M*d_out)
        self.grad_x = np.empty((samples, networks * d_in), w.dtype)  # (n, M*d_in)
        self.scores_of_each = split(self.scores, networks)  # (M, n, d_out)
        self.grad_x_of_each = split(self.grad_x, networks)  # (M, n, d_in)

    def forward(self, x: Array) -> Array:
        """Scores (n, M*d_out) of x (n, M*d_in)."""
        self.x = split(x, len(self.w))  # (M, n, d_in)
        np.matmul(self.x, self.w, out=self.scores_of_each)
        return np.add(self.scores, self.b, out=self.scores)

    def backward(self, grad_scores: Array) -> Array:
        """Gradient (n, M*d_in) with respect to x; those of W and b go to grad_w and grad_b."""
        grad = split(grad_scores, len(self.w))  # (M, n, d_out)
        np.dot(self.ones, grad_scores, out=self.grad_b)
        np.matmul(self.x.transpose(0, 2, 1), grad, out=self.grad_w)  # x^T grad
        np.matmul(grad, self.w.transpose(0, 2, 1), out=self.grad_x_of_each)
        return self.grad_x


class ReLU:
    """max(0, x), elementwise."""

    def __init__(self, shape: tuple[int, int], dtype: np.dtype) -> None:
        self.out = np.empty(shape, dtype)  # (n, M*d)

    def forward(self, x: Array) -> Array:
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
