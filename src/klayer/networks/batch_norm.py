"""Batch normalisation, Ioffe and Szegedy (2015), over populations as in `arrays`."""

from __future__ import annotations

import numpy as np

from klayer.networks.arrays import Array
from klayer.networks.compiled import compiled
from klayer.networks.layer import Layer, Mode
from klayer.networks.layers import scale_and_shift
from klayer.networks.store import Store

Number = np.floating


class BatchNorm(Layer):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta: algorithm 1 and section 3.1.

    In training it normalises with the mean and the biased variance of the batch (divided by n), and
    lets the running averages follow both, as the report does; the paper's algorithm 2 takes the
    unbiased variance, n / (n - 1) times as large. In evaluation it uses the averages and changes
    nothing. `Mode.COLLECT` puts the mean and variance over all batches that this layer has so
    collected in their place.

    A column that is constant over the batch, as every column of a batch of one, holds nothing to
    normalise: it gives beta, and no gradient.
    """

    def __init__(self, epsilon: float, momentum: float) -> None:
        self.epsilon, self.momentum = epsilon, momentum

    def build(self, d: int, store: Store) -> int:
        """As many units as its input."""
        self.gamma, self.beta = store.vector("gamma", d, 1), store.vector("beta", d, 0)
        self.mean, self.variance = store.state("mean", d, 0), store.state("variance", d, 1)
        self.started = store.flag("started")
        self.collected = 0  # batches
        self.number = store.dtype.type
        self.batch_mean, self.batch_variance, self.inv_std = np.empty(
            (3, store.networks * d), store.dtype
        )
        self.normalised = store.training_buffer(d)  # u, (n, M*d)
        self.out = store.buffer(d)  # (n, M*d)
        return d

    def forward(self, x: Array, mode: Mode) -> Array:
        """The output, of the shape of x (n, M*d), in an array of its own."""
        gamma, beta, epsilon = self.gamma.value, self.beta.value, self.number(self.epsilon)
        if mode is Mode.EVALUATE:  # one scale and one shift
            scale = gamma / np.sqrt(self.variance.value + epsilon)  # (M*d,)
            scale[self.variance.value == 0] = 0
            _scale_centred(x, self.mean.value, scale, beta, self.out)
            return self.out
        u = self.normalised if mode is Mode.TRAIN else self.out
        _normalise(x, epsilon, self.batch_mean, self.batch_variance, self.inv_std, u)
        scale_and_shift(u, gamma, beta, self.out)
        if mode is Mode.TRAIN:
            self._update_averages()
        else:
            self._collect()
        return self.out

    def _update_averages(self) -> None:
        """new = momentum * old + (1 - momentum) * batch; the first batch starts them."""
        if self.started[0]:
            keep = self.number(self.momentum)
            _follow(self.mean.value, self.batch_mean, keep)
            _follow(self.variance.value, self.batch_variance, keep)
        else:
            self.mean.value[:], self.variance.value[:] = self.batch_mean, self.batch_variance
            self.started[0] = True

    def _collect(self) -> None:
        """The means over all batches of the mean, and of the variance around that mean.

        Wu and Johnson (2021), "Rethinking 'Batch' in BatchNorm", section 3.1, for batches of equal
        size, written as a step towards the new batch: Chan et al. (1983).
        """
        if not self.collected:
            self.mean.value[:], self.variance.value[:] = 0, 0
        self.collected += 1
        share = self.number(1 / self.collected)
        _merge(self.mean.value, self.variance.value, self.batch_mean, self.batch_variance, share)

    def backward(self, grad: Array) -> Array:
        """Gradient (n, M*d) of x, in place of `grad`, that of the output."""
        u, gamma = self.normalised, self.gamma
        _normalise_backward(grad, u, gamma.value, self.inv_std, gamma.grad, self.beta.grad)
        return grad


@compiled
def _normalise(
    x: Array, epsilon: Number, mean: Array, variance: Array, inv_std: Array, u: Array
) -> None:
    """u = (x - mean) / sqrt(variance + epsilon), with mean and variance of the columns.

    They are taken of the differences from the first row: those of a constant column are exactly 0,
    while the rounded mean of such a column would leave its own error, divided by itself.
    """
    n, features = x.shape
    share = x.dtype.type(1 / n)
    mean[:] = 0
    for i in range(n):
        for j in range(features):
            u[i, j] = x[i, j] - x[0, j]
            mean[j] += share * u[i, j]
    variance[:] = 0
    for i in range(n):
        for j in range(features):
            u[i, j] -= mean[j]
            variance[j] += share * (u[i, j] * u[i, j])
    for j in range(features):
        mean[j] += x[0, j]
        inv_std[j] = 1 / np.sqrt(variance[j] + epsilon) if variance[j] != 0 else 0
    for i in range(n):
        for j in range(features):
            u[i, j] *= inv_std[j]


@compiled
def _scale_centred(x: Array, mean: Array, scale: Array, shift: Array, out: Array) -> None:
    """out = scale * (x - mean) + shift, where x and out are (n, M*d), the others (M*d,)."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = scale[j] * (x[i, j] - mean[j]) + shift[j]


@compiled
def _follow(average: Array, batch: Array, keep: Number) -> None:
    """Written as a step towards the batch: an average that has arrived stays."""
    for j in range(average.size):
        average[j] += (1 - keep) * (batch[j] - average[j])


@compiled
def _merge(
    mean: Array, variance: Array, batch_mean: Array, batch_variance: Array, share: Number
) -> None:
    """The mean and variance of all rows, of which the batch is this share."""
    for j in range(mean.size):
        step = batch_mean[j] - mean[j]
        spread = batch_variance[j] - variance[j] + (1 - share) * (step * step)
        mean[j] += share * step
        variance[j] += share * spread


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
