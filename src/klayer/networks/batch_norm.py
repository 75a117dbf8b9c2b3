"""Batch normalisation, Ioffe and Szegedy (2015), over populations as in `layers`."""

from __future__ import annotations

import numpy as np

from klayer.networks.compiled import compiled
from klayer.networks.layers import Array, scale_and_shift

Number = np.floating


class BatchNorm:
    """gamma * (scores - mean) / sqrt(variance + epsilon) + beta: algorithm 1 and section 3.1.

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
        self.batch_mean, self.batch_variance, self.inv_std = np.empty((3, features), dtype)
        self.normalised = np.empty((samples, features), dtype)  # u, (n, M*d)
        self.out = np.empty((samples, features), dtype)  # (n, M*d)
        self.started = False

    def forward(self, scores: Array, train: bool) -> Array:
        """The output, of the shape of the scores (n, M*d), in an array of its own."""
        if not train:  # one scale and one shift
            scale = self.gamma / np.sqrt(self.variance + self.epsilon)  # (M*d,)
            scale_and_shift(scores, scale, self.beta - self.mean * scale, self.out)
            return self.out
        mean, variance = self.batch_mean, self.batch_variance
        _normalise(scores, self.epsilon, mean, variance, self.inv_std, self.normalised)
        scale_and_shift(self.normalised, self.gamma, self.beta, self.out)
        self._update_averages()
        return self.out

    def _update_averages(self) -> None:
        """new = momentum * old + (1 - momentum) * batch; the first batch starts them."""
        keep = self.momentum if self.started else self.momentum.dtype.type(0)
        self.started = True
        _follow(self.mean, self.batch_mean, keep)
        _follow(self.variance, self.batch_variance, keep)

    def backward(self, grad: Array) -> Array:
        """Gradient (n, M*d) with respect to the scores, in place of `grad`, that of the output."""
        _normalise_backward(
            grad, self.normalised, self.gamma, self.inv_std, self.grad_gamma, self.grad_beta
        )
        return grad


@compiled
def _normalise(
    scores: Array, epsilon: Number, mean: Array, variance: Array, inv_std: Array, u: Array
) -> None:
    """u = (scores - mean) / sqrt(variance + epsilon), with mean and variance of the columns."""
    n, features = scores.shape
    share = scores.dtype.type(1 / n)
    mean[:] = 0
    for i in range(n):
        for j in range(features):
            mean[j] += share * scores[i, j]
    variance[:] = 0
    for i in range(n):
        for j in range(features):
            u[i, j] = scores[i, j] - mean[j]
            variance[j] += share * (u[i, j] * u[i, j])
    for j in range(features):
        inv_std[j] = 1 / np.sqrt(variance[j] + epsilon)
    for i in range(n):
        for j in range(features):
            u[i, j] *= inv_std[j]


@compiled
def _follow(average: Array, batch: Array, keep: Number) -> None:
    for j in range(average.size):
        average[j] = keep * average[j] + (1 - keep) * batch[j]


@compiled
def _normalise_backward(
    grad: Array, u: Array, gamma: Array, inv_std: Array, grad_gamma: Array, grad_beta: Array
) -> None:
    """grad <- gamma / std * (grad - <grad> - u <grad u>), where <.> is the mean over the batch.

    The gradients of beta and gamma are the sums over the batch, n <grad> and n <grad u>.
    """
    n, features = grad.shape
    share = grad.dtype.type(1 / n)
    grad_beta[:] = 0
    grad_gamma[:] = 0
    for i in range(n):
        for j in range(features):
            grad_beta[j] += grad[i, j]
            grad_gamma[j] += grad[i, j] * u[i, j]
    for i in range(n):
        for j in range(features):
            centred = grad[i, j] - share * (grad_beta[j] + u[i, j] * grad_gamma[j])
            grad[i, j] = gamma[j] * inv_std[j] * centred
