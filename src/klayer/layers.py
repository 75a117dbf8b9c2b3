"""The layers of a k-layer network: each a forward pass and its backward pass side by side.

Every layer computes M networks at once, a *population*. Rows are samples; the M networks stand
side by side in the columns, so an activation of n samples and d units per network has the shape
(n, M*d), and everything but the products with W is written as for one wide network.

Arrays that a layer needs again and again are allocated once, when it is made, and named for what
they hold: a call returns a view of them, valid until the next call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Labels = NDArray[np.integer]

BLOCK = 2**20  # bytes of an update of the first layer at a time, about a core's own cache


def split(columns: Array, networks: int) -> Array:
    """Views (n, M*d) as (M, n, d): the part of each network."""
    return columns.reshape(len(columns), networks, -1).transpose(1, 0, 2)


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
        rows = min(len(v), max(1, BLOCK // v[:1].nbytes))
        self.block = np.empty((rows, b.size), v.dtype)  # some rows of an update of V

    def forward(self, x: Array) -> Array:
        """Scores (n, M*d_out) of x (n, d_in)."""
        self.x = x
        np.matmul(x, self.v, out=self.scores)
        np.multiply(self.scores, self.scale, out=self.scores)
        return np.add(self.scores, self.b, out=self.scores)

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
        """V <- V + factor * dW, by blocks of rows, which are added while they are in the cache."""
        grad, rows = self._scaled(factor), len(self.block)
        for start in range(0, len(self.v), rows):
            v = self.v[start : start + rows]
            block = np.matmul(self.x[:, start : start + rows].T, grad, out=self.block[: len(v)])
            np.add(v, block, out=v)

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


class BatchNorm:
    """Batch normalisation, Ioffe and Szegedy (2015), algorithm 1 and section 3.1.

    In training it normalises with the mean and the biased variance of the batch, and lets the
    running averages follow them; in evaluation it uses the averages and changes nothing.
    """

    def __init__(
        self,
        parameters: dict[str, Array],  # gamma, beta, mean, variance: each (M*d,)
        gradients: dict[str, Array],  # gamma, beta: each (M*d,)
        samples: int,
        epsilon: float,
        momentum: float,
    ) -> None:
        self.gamma, self.beta = parameters["gamma"], parameters["beta"]
        self.mean, self.variance = parameters["mean"], parameters["variance"]
        self.grad_gamma, self.grad_beta = gradients["gamma"], gradients["beta"]
        dtype, features = self.gamma.dtype, self.gamma.size
        self.epsilon, self.momentum = dtype.type(epsilon), dtype.type(momentum)
        self.average = np.full(samples, 1 / samples, dtype)  # (n,): average @ a is a's mean
        self.batch_mean, self.batch_variance, self.inv_std = np.empty((3, features), dtype)
        self.slope = np.empty(features, dtype)  # gamma / sqrt(variance + epsilon)
        self.centred = np.empty((samples, features), dtype)  # (n, M*d)
        self.out = np.empty((samples, features), dtype)  # (n, M*d)
        self.started = False

    def forward(self, scores: Array, train: bool) -> Array:
        """gamma * (scores - mean) / sqrt(variance + epsilon) + beta, in an array of its own."""
        if not train:  # one scale and one shift
            scale = self.gamma / np.sqrt(self.variance + self.epsilon)  # (M*d,)
            np.multiply(scores, scale, out=self.out)
            return np.add(self.out, self.beta - self.mean * scale, out=self.out)
        np.dot(self.average, scores, out=self.batch_mean)
        np.subtract(scores, self.batch_mean, out=self.centred)
        np.multiply(self.centred, self.centred, out=self.out)
        np.dot(self.average, self.out, out=self.batch_variance)
        np.add(self.batch_variance, self.epsilon, out=self.inv_std)
        np.sqrt(self.inv_std, out=self.inv_std)
        np.reciprocal(self.inv_std, out=self.inv_std)
        np.multiply(self.gamma, self.inv_std, out=self.slope)
        np.multiply(self.centred, self.slope, out=self.out)
        np.add(self.out, self.beta, out=self.out)
        self._update_averages()
        return self.out

    def _update_averages(self) -> None:
        """new = momentum * old + (1 - momentum) * batch; the first batch starts them."""
        keep = self.momentum if self.started else self.momentum.dtype.type(0)
        self.started = True
        for average, batch in ((self.mean, self.batch_mean), (self.variance, self.batch_variance)):
            np.multiply(average, keep, out=average)
            average += (1 - keep) * batch

    def backward(self, grad: Array) -> Array:
        """Gradient (n, M*d) with respect to the scores, in place of `grad`, that of the output.

        With c the centred scores, u = c / std the normalised ones, and <.> the mean over the batch:
        gamma / std * (grad - <grad> - u <grad u>).
        """
        n = grad.dtype.type(len(grad))
        np.multiply(grad, self.centred, out=self.out)
        np.dot(self.average, self.out, out=self.grad_gamma)
        np.multiply(self.grad_gamma, self.inv_std, out=self.grad_gamma)  # <grad u>
        np.dot(self.average, grad, out=self.grad_beta)  # <grad>
        np.multiply(self.inv_std, self.grad_gamma, out=self.inv_std)  # <grad u> / std
        np.multiply(self.centred, self.inv_std, out=self.centred)  # u <grad u>
        np.subtract(grad, self.centred, out=grad)
        np.subtract(grad, self.grad_beta, out=grad)
        np.multiply(grad, self.slope, out=grad)
        np.multiply(self.grad_gamma, n, out=self.grad_gamma)  # from means to sums
        np.multiply(self.grad_beta, n, out=self.grad_beta)
        return grad


class ReLU:
    """max(0, x), elementwise."""

    def __init__(self, shape: tuple[int, int], dtype: np.dtype) -> None:
        self.zero = dtype.type(0)
        self.out = np.empty(shape, dtype)  # (n, M*d)
        self.active = np.empty(shape, bool)  # (n, M*d)

    def forward(self, x: Array) -> Array:
        """The output, of the shape of x, which stays as it is."""
        np.maximum(x, self.zero, out=self.out)
        return self.out

    def backward(self, grad: Array) -> Array:
        """The gradient where the output was positive, else 0; in place of `grad`."""
        np.greater(self.out, self.zero, out=self.active)
        return np.multiply(grad, self.active, out=grad)
