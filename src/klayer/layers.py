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
        self.grad_v = np.empty_like(v)  # (d_in, M*d_out)

    def forward(self, x: Array) -> Array:
        """Scores (n, M*d_out) of x (n, d_in)."""
        self.x = x
        np.matmul(x, self.v, out=self.scores)
        np.multiply(self.scores, self.scale, out=self.scores)
        return np.add(self.scores, self.b, out=self.scores)

    def backward(self, grad_scores: Array) -> None:
        """The gradient of b goes to grad_b; that of W waits for `weight_gradient`."""
        np.dot(self.ones, grad_scores, out=self.grad_b)
        self.grad_scores = grad_scores  # (n, M*d_out)

    def weight_gradient(self, factor: Array) -> Array:
        """factor * dW = x^T (factor * grad_scores), (d_in, M*d_out), a factor for each column.

        The factor, a step size for example, is multiplied where the arrays are small. To be called
        once after each backward pass, whose gradient it scales in place.
        """
        grad = np.multiply(self.grad_scores, factor, out=self.grad_scores)
        return np.matmul(self.x.T, grad, out=self.grad_v)


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
        self.normalised = np.empty((samples, features), dtype)  # (n, M*d)
        self.out = np.empty((samples, features), dtype)  # (n, M*d)
        self.started = False

    def forward(self, scores: Array, train: bool) -> Array:
        """gamma * (scores - mean) / sqrt(variance + epsilon) + beta, in an array of its own."""
        if not train:  # one scale and one shift
            scale = self.gamma / np.sqrt(self.variance + self.epsilon)  # (M*d,)
            np.multiply(scores, scale, out=self.out)
            return np.add(self.out, self.beta - self.mean * scale, out=self.out)
        np.dot(self.average, scores, out=self.batch_mean)
        np.subtract(scores, self.batch_mean, out=self.normalised)
        np.multiply(self.normalised, self.normalised, out=self.out)
        np.dot(self.average, self.out, out=self.batch_variance)
        np.add(self.batch_variance, self.epsilon, out=self.inv_std)
        np.sqrt(self.inv_std, out=self.inv_std)
        np.reciprocal(self.inv_std, out=self.inv_std)
        np.multiply(self.normalised, self.inv_std, out=self.normalised)
        np.multiply(self.normalised, self.gamma, out=self.out)
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

        With u the normalised scores and <.> the mean over the batch:
        gamma / std * (grad - <grad> - u <grad u>).
        """
        n = grad.dtype.type(len(grad))
        np.multiply(grad, self.normalised, out=self.out)
        np.dot(self.average, self.out, out=self.grad_gamma)  # <grad u>
        np.dot(self.average, grad, out=self.grad_beta)  # <grad>
        np.multiply(self.normalised, self.grad_gamma, out=self.normalised)
        np.subtract(grad, self.normalised, out=grad)
        np.subtract(grad, self.grad_beta, out=grad)
        np.multiply(self.gamma, self.inv_std, out=self.inv_std)
        np.multiply(grad, self.inv_std, out=grad)
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
        return np.maximum(x, self.zero, out=self.out)

    def backward(self, grad: Array) -> Array:
        """The gradient where the output was positive, else 0; in place of `grad`."""
        np.greater(self.out, self.zero, out=self.active)
        return np.multiply(grad, self.active, out=grad)


class SoftmaxCrossEntropy:
    """Mean cross-entropy of softmax(scores) against integer labels."""

    def __init__(self, networks: int, samples: int, classes: int, dtype: np.dtype) -> None:
        self.one_hot = np.eye(classes, dtype=dtype)  # (C, C)
        self.shifted = np.empty((samples, networks, classes), dtype)  # (n, M, C)
        self.probabilities = np.empty((samples, networks, classes), dtype)  # (n, M, C)
        # A network's weight in the gradient: 1/n, or 0 to hold it still.
        self.weight = np.full((networks, 1), 1 / samples, dtype)  # (M, 1)

    def forward(self, scores: Array) -> Array:
        """Probabilities (n, M, C); the largest score is subtracted first, so nothing overflows."""
        scores = scores.reshape(self.shifted.shape)
        np.subtract(scores, np.maximum.reduce(scores, axis=2, keepdims=True), out=self.shifted)
        np.exp(self.shifted, out=self.probabilities)
        total = np.add.reduce(self.probabilities, axis=2, keepdims=True)
        return np.divide(self.probabilities, total, out=self.probabilities)

    def losses(self, labels: Labels) -> Array:
        """Cross-entropy (n, M) of each sample in each network, -log p[label], without overflow."""
        total = np.add.reduce(np.exp(self.shifted), axis=2)  # (n, M)
        return np.asarray(np.log(total) - self.shifted[np.arange(len(labels)), :, labels])

    def predictions(self) -> Labels:
        """The most probable class (n, M) of each sample in each network."""
        return self.shifted.argmax(axis=2)

    def backward(self, labels: Labels) -> Array:
        """Gradient (n, M*C) of the mean cross-entropy with respect to the scores: (p - y) / n."""
        grad = self.probabilities
        np.subtract(grad, self.one_hot[labels][:, np.newaxis], out=grad)
        np.multiply(grad, self.weight, out=grad)
        return grad.reshape(len(grad), -1)
