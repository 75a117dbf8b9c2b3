"""What an optimiser is, and mini-batch gradient descent with L2 regularisation of the weights."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klayer.networks.arrays import Array
from klayer.networks.compiled import compiled
from klayer.networks.parameters import Parameters


class Optimizer(ABC):
    """Changes parameters by the gradients of the last backward pass.

    It goes over their groups and knows no layer. lambda is the L2 strength, one for each of the M
    networks; b, gamma and beta never decay.
    """

    def __init__(self, parameters: Parameters, l2: ArrayLike) -> None:
        self.parameters = parameters
        self.l2 = np.broadcast_to(np.asarray(l2, np.float64), parameters.networks)  # (M,)

    @abstractmethod
    def step(self, learning_rate: float) -> None:
        """One update."""

    @abstractmethod
    def reset(self, network: int) -> None:
        """Forgets the past gradients of one network."""


class SGD(Optimizer):
    """W <- (1 - 2 eta lambda) W - eta dW, and b, gamma, beta without decay.

    The cost is mean cross-entropy + lambda * sum of squared weights, with a lambda for each of the
    M networks. An update is computed in float64 and rounded once: a decay that is too small to move
    a float32 by itself still counts, on average, where a gradient moves the weight.
    """

    def __init__(self, parameters: Parameters, l2: ArrayLike) -> None:
        super().__init__(parameters, l2)
        self.no_decay = np.ones(1)

    def step(self, learning_rate: float) -> None:
        """One update from the gradients of the last backward pass."""
        p, decay = self.parameters, 1 - 2 * learning_rate * self.l2  # (M,)
        for weight in p.inputs:
            weight.descend(learning_rate, decay)
        _descend(p.weights.value, decay, p.weights.grad, learning_rate)
        _descend(p.vectors.value, self.no_decay, p.vectors.grad, learning_rate)

    def reset(self, network: int) -> None:
        """There is none: a step is made of the present gradient."""


@compiled
def _descend(values: Array, decay: NDArray[np.float64], gradient: Array, eta: float) -> None:
    """values <- decay * values - eta * gradient, where decay has a number for each row."""
    for m in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[m, j] = decay[m] * values[m, j] - eta * gradient[m, j]
