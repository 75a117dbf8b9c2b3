"""Optimisers: gradient descent, with momentum, and Adam; a class for each name that `optimizer` in
params.yaml may use.

Each changes parameters by the gradients of the last backward pass, and knows no layer. l2 is the
strength lambda of the cost, mean cross-entropy + lambda * sum of squared weights; biases, gamma and
beta do not decay.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from klayer.kernels.loops import compiled
from klayer.networks.layer import Array, Parameter

EPSILON = 1e-8  # of Adam, as in the paper


class Optimizer(ABC):
    """`momentum` is that of the gradients, where the optimiser has one."""

    def __init__(self, parameters: Iterable[Parameter], l2: float, momentum: float) -> None:
        self.parameters, self.momentum = list(parameters), momentum
        # The factor of W in the gradient of the L2 term, 2 lambda.
        self.decays = [2 * l2 if p.decays else 0.0 for p in self.parameters]

    @abstractmethod
    def step(self, learning_rate: float) -> None:
        """One update from the gradients of the last backward pass."""

    def _zeros(self) -> list[Array]:
        """Of each parameter's shape."""
        return [np.zeros(p.value.shape, p.value.dtype) for p in self.parameters]


class SGD(Optimizer):
    """W <- W - eta (dW + 2 lambda W): mini-batch gradient descent."""

    def step(self, learning_rate: float) -> None:
        for parameter, decay in zip(self.parameters, self.decays, strict=True):
            parameter.descend(learning_rate, decay)


class Momentum(Optimizer):
    """v <- momentum * v + (dW + 2 lambda W), W <- W - eta v: gradient descent with momentum.

    Polyak (1964), "Some methods of speeding up the convergence of iteration methods", in the form
    of Sutskever et al. (2013) that PyTorch takes.
    """

    def __init__(self, parameters: Iterable[Parameter], l2: float, momentum: float) -> None:
        super().__init__(parameters, l2, momentum)
        self.velocities = self._zeros()

    def step(self, learning_rate: float) -> None:
        for p, decay, velocity in zip(self.parameters, self.decays, self.velocities, strict=True):
            w, g, v = map(np.atleast_2d, (p.value, p.grad, velocity))
            _roll(w, g, v, decay, self.momentum, learning_rate)


class Adam(Optimizer):
    """Algorithm 1 of Kingma and Ba (2015), with decoupled decay.

    W <- (1 - 2 eta lambda) W - eta m / (sqrt(v) + epsilon), where m and v are the corrected means
    of the gradient and of its square: Loshchilov and Hutter (2019), "Decoupled Weight Decay
    Regularization", algorithm 2. `momentum` is the paper's beta_1.
    """

    SQUARES = 0.999  # beta_2 of the paper

    def __init__(self, parameters: Iterable[Parameter], l2: float, momentum: float) -> None:
        super().__init__(parameters, l2, momentum)
        self.moments = list(zip(self._zeros(), self._zeros(), strict=True))
        self.betas, self.powers = np.array([momentum, self.SQUARES]), np.ones(2)  # beta, beta^t

    def step(self, learning_rate: float) -> None:
        self.powers *= self.betas
        corrections = 1 / (1 - self.powers)
        for p, decay, moments in zip(self.parameters, self.decays, self.moments, strict=True):
            kept = 1 - learning_rate * decay
            w, g, m, v = map(np.atleast_2d, (p.value, p.grad, *moments))
            _adapt(w, g, m, v, kept, learning_rate, self.betas, corrections)


@compiled
def _roll(
    values: Array, gradient: Array, velocity: Array, decay: float, momentum: float, eta: float
) -> None:
    """The update of `Momentum`, in float64, rounded once."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            v = momentum * velocity[i, j] + gradient[i, j] + decay * values[i, j]
            velocity[i, j] = v
            values[i, j] -= eta * v


@compiled
def _adapt(
    values: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    kept: float,
    eta: float,
    betas: NDArray[np.float64],
    corrections: NDArray[np.float64],
) -> None:
    """The update of `Adam`, in float64, rounded once."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            g = gradient[i, j]
            first = betas[0] * mean[i, j] + (1 - betas[0]) * g
            second = betas[1] * square[i, j] + (1 - betas[1]) * (g * g)
            mean[i, j], square[i, j] = first, second
            size = np.sqrt(corrections[1] * second) + EPSILON
            values[i, j] = kept * values[i, j] - eta * (corrections[0] * first / size)


# A class for each name that `optimizer` in params.yaml may use.
OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "momentum": Momentum, "adam": Adam}
