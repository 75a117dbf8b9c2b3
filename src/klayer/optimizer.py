"""Mini-batch gradient descent with L2 regularisation of the weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from klayer.network import Network

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

    def step(self, learning_rate: float) -> None:
        """One update from the gradients of the network's last backward pass."""
        p, network, first = self.parameters, self.network, self.first
        decay = (1 - 2 * learning_rate * self.l2).astype(p.dtype)  # (M,)
        p.scale.reshape(p.networks, -1)[:] *= decay[:, np.newaxis]
        if not p.scale.min() > SMALLEST_SCALE:
            p.fold_scale()
        first.add_weight_gradient(-learning_rate / p.scale)

        p.weights *= decay[:, np.newaxis]
        np.multiply(network.grad_weights, -learning_rate, out=network.grad_weights)
        np.add(p.weights, network.grad_weights, out=p.weights)
        np.multiply(network.grad_vectors, -learning_rate, out=network.grad_vectors)
        np.add(p.vectors, network.grad_vectors, out=p.vectors)
