"""Batch normalisation, Ioffe and Szegedy (2015)."""

from __future__ import annotations

from typing import Any

import numpy as np

from klayer.kernels.loops import compiled
from klayer.networks.layer import Array, Buffer, Layer, Mode, Parameter, Start

Number = np.floating


class BatchNorm(Layer):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta: algorithm 1 and section 3.1.

    In training it normalises with the mean and the biased variance of the batch (divided by n), and
    lets the running averages follow both, as the report does; the paper's algorithm 2 takes the
    unbiased variance, n / (n - 1) times as large. In evaluation it uses the averages and changes
    nothing. `Mode.COLLECT` puts the mean and variance over all batches that this layer has
    collected since `restart` in their place.

    A column that is constant over the batch, as every column of a batch of one, holds nothing to
    normalise: it gives beta, and no gradient.
    """

    kind = "batch_norm"

    def __init__(self, epsilon: float, momentum: float) -> None:
        super().__init__()
        self.epsilon, self.momentum = epsilon, momentum

    def build(self, inputs: int, start: Start) -> int:
        dtype = start.dtype
        self.gamma = Parameter(np.ones(inputs, dtype))
        self.beta = Parameter(np.zeros(inputs, dtype))
        self.parameters = {"gamma": self.gamma, "beta": self.beta}
        self.averages = np.zeros((2, inputs), dtype)
        self.mean, self.variance = self.averages
        self.variance[:] = 1
        self.state = {"mean": self.mean, "variance": self.variance}
        self.batch = np.zeros((3, inputs), dtype)  # its mean, its variance and inv_std
        self.inv_std = self.batch[2]
        self._normalised, self._out = Buffer(inputs, dtype), Buffer(inputs, dtype)
        self.restart()
        return inputs

    def restart(self) -> None:
        """The next batch begins the averages: of training, and those that are collected."""
        self.batches = 0

    def forward(self, x: Array, mode: Mode) -> Array:
        out, epsilon = self._out(len(x)), x.dtype.type(self.epsilon)
        gamma, beta = self.gamma.value, self.beta.value
        if mode is Mode.EVALUATE:
            _normalise_with(x, self.averages, epsilon, gamma, beta, out)
            return out
        self.normalised = self._normalised(len(x))
        _normalise(x, epsilon, gamma, beta, self.batch, self.normalised, out)
        if self.batches == 0:
            self.averages[:] = self.batch[:2]
        elif mode is Mode.TRAIN:
            _follow(self.averages, self.batch, x.dtype.type(self.momentum))
        else:
            _merge(self.averages, self.batch, x.dtype.type(1 / (self.batches + 1)))
        self.batches += 1
        return out

    def backward(self, grad: Array) -> Array:
        gamma, beta = self.gamma, self.beta
        _normalise_backward(grad, self.normalised, gamma.value, self.inv_std, gamma.grad, beta.grad)
        return grad

    def description(self) -> dict[str, Any]:
        return super().description() | {"epsilon": self.epsilon}


@compiled
def _normalise(
    x: Array, epsilon: Number, gamma: Array, beta: Array, batch: Array, u: Array, out: Array
) -> None:
    """u = (x - mean) / sqrt(variance + epsilon), with mean and variance of the columns of x (n, d);
    out = gamma u + beta. The rows of `batch` (3, d) become mean, variance and the inverse root.

    They are taken of the differences from the first row: those of a constant column are exactly 0,
    while the rounded mean of such a column would leave its own error, divided by itself.
    """
    n, d = x.shape
    share = x.dtype.type(1 / n)
    mean, variance, inv_std = batch[0], batch[1], batch[2]
    mean[:] = 0
    for i in range(n):
        for j in range(d):
            u[i, j] = x[i, j] - x[0, j]
            mean[j] += share * u[i, j]
    variance[:] = 0
    for i in range(n):
        for j in range(d):
            u[i, j] -= mean[j]
            variance[j] += share * (u[i, j] * u[i, j])
    for j in range(d):
        mean[j] += x[0, j]
        inv_std[j] = 1 / np.sqrt(variance[j] + epsilon) if variance[j] != 0 else 0
    for i in range(n):
        for j in range(d):
            u[i, j] *= inv_std[j]
            out[i, j] = gamma[j] * u[i, j] + beta[j]


@compiled
def _normalise_with(
    x: Array, averages: Array, epsilon: Number, gamma: Array, beta: Array, out: Array
) -> None:
    """out = gamma (x - mean) / sqrt(variance + epsilon) + beta, for the averages (2, d) of both."""
    n, d = x.shape
    mean, variance, scale = averages[0], averages[1], np.empty_like(gamma)
    for j in range(d):
        scale[j] = gamma[j] / np.sqrt(variance[j] + epsilon) if variance[j] != 0 else 0
    for i in range(n):
        for j in range(d):
            out[i, j] = scale[j] * (x[i, j] - mean[j]) + beta[j]


@compiled
def _follow(averages: Array, batch: Array, momentum: Number) -> None:
    """new = momentum * old + (1 - momentum) * batch, of mean and variance.

    Written as a step towards the batch: an average that has arrived stays.
    """
    for k in range(2):
        for j in range(averages.shape[1]):
            averages[k, j] += (1 - momentum) * (batch[k, j] - averages[k, j])


@compiled
def _merge(averages: Array, batch: Array, share: Number) -> None:
    """The mean and variance of all rows, of which the batch is this share.

    Over all batches the mean of the mean, and of the variance around that mean: Wu and Johnson
    (2021), "Rethinking 'Batch' in BatchNorm", section 3.1, for batches of equal size, written as a
    step towards the new batch: Chan et al. (1983).
    """
    for j in range(averages.shape[1]):
        step = batch[0, j] - averages[0, j]
        spread = batch[1, j] - averages[1, j] + (1 - share) * (step * step)
        averages[0, j] += share * step
        averages[1, j] += share * spread


@compiled
def _normalise_backward(
    grad: Array, u: Array, gamma: Array, inv_std: Array, grad_gamma: Array, grad_beta: Array
) -> None:
    """grad <- gamma / std * (grad - <grad> - u <grad u>), where <.> is the mean over the batch.

    The gradients of beta and gamma are the sums over the batch, n <grad> and n <grad u>.
    """
    n, d = grad.shape
    share = grad.dtype.type(1 / n)
    grad_beta[:] = 0
    grad_gamma[:] = 0
    for i in range(n):
        for j in range(d):
            grad_beta[j] += grad[i, j]
            grad_gamma[j] += grad[i, j] * u[i, j]
    for i in range(n):
        for j in range(d):
            centred = grad[i, j] - share * (grad_beta[j] + u[i, j] * grad_gamma[j])
            grad[i, j] = gamma[j] * inv_std[j] * centred
