"""Mini-batch gradient descent with L2 regularisation of the weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from klayer.networks.compiled import compiled
from klayer.networks.layers import Array
from klayer.networks.network import Network

SMALLEST_SCALE = 2.0**-10  # V then holds 10 bits more than W, far from the limits of float32


class GradientDescent:
    """W <- (1 - 2 eta lambda) W - eta dW, and b, gamma, beta without decay.

    The cost is mean cross-entropy + lambda * sum of squared weights, with a lambda for each of the
    M networks. The first layer's decay goes to its scale (lazy weight decay, see InputAffine).
    """

    def __init__(self, network: Network, l2: ArrayLike) -> None:
        p = self.parameters = network.parameters
        self.network, self.first = network, network.first
        self.l2 = np.broadcast_to(np.asarray(l2, np.float64), p.networks)  # (M,)
        self.scale_of_each = p.scale.reshape(p.networks, -1)  # (M, d1)
        self.vectors = p.vectors[np.newaxis]  # (1, Q)
        self.grad_vectors = network.grad_vectors[np.newaxis]
        self.no_decay = np.ones(1, p.dtype)

    def step(self, learning_rate: float) -> None:
        """One update from the gradients of the network's last backward pass."""
        p, eta = self.parameters, self.parameters.dtype.type(learning_rate)
        decay = (1 - 2 * learning_rate * self.l2).astype(p.dtype)  # (M,)
        np.multiply(self.scale_of_each, decay[:, np.newaxis], out=self.scale_of_each)
        if not p.scale.min() > SMALLEST_SCALE:
            p.fold_scale()
        self.first.add_weight_gradient(-eta / p.scale)
        _descend(p.weights, decay, self.network.grad_weights, eta)
        _descend(self.vectors, self.no_decay, self.grad_vectors, eta)


@compiled
def _descend(values: Array, decay: Array, gradient: Array, eta: np.floating) -> None:
    """values <- decay * values - eta * gradient, where decay has a number for each row."""
    for m in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[m, j] = decay[m] * values[m, j] - eta * gradient[m, j]
