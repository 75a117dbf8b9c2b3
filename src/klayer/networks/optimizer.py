"""Mini-batch gradient descent with L2 regularisation of the weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from klayer.networks.arrays import Array
from klayer.networks.compiled import compiled
from klayer.networks.parameters import Parameters


class SGD:
    """W <- (1 - 2 eta lambda) W - eta dW, and b, gamma, beta without decay.

    The cost is mean cross-entropy + lambda * sum of squared weights, with a lambda for each of the
    M networks.
    """

    def __init__(self, parameters: Parameters, l2: ArrayLike) -> None:
        self.parameters = parameters
        self.l2 = np.broadcast_to(np.asarray(l2, np.float64), parameters.networks)  # (M,)
        self.no_decay = np.ones(1, parameters.dtype)

    def step(self, learning_rate: float) -> None:
        """One update from the gradients of the last backward pass."""
        p, eta = self.parameters, self.parameters.dtype.type(learning_rate)
        decay = (1 - 2 * learning_rate * self.l2).astype(p.dtype)  # (M,)
        for weight in p.inputs:
            weight.descend(eta, decay)
        _descend(p.weights.value, decay, p.weights.grad, eta)
        _descend(p.vectors.value, self.no_decay, p.vectors.grad, eta)


@compiled
def _descend(values: Array, decay: Array, gradient: Array, eta: np.floating) -> None:
    """values <- decay * values - eta * gradient, where decay has a number for each row."""
    for m in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[m, j] = decay[m] * values[m, j] - eta * gradient[m, j]
