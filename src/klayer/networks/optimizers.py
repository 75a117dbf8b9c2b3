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

BETA_2, EPSILON = 0.999, 1e-8  # of Adam, as in the paper


class Optimizer(ABC):
    """`momentum` is that of the gradients, where the optimiser has one."""

    averages = 0  # how many it keeps of each parameter's gradients, of its shape

    def __init__(self, parameters: Iterable[Parameter], l2: float, momentum: float) -> None:
        self.momentum = momentum
        self.parameters: list[tuple[Parameter, float, Array]] = []  # with decay and averages
        for p in parameters:
            decay = 2 * l2 if p.decays else 0.0  # the factor of W in the gradient of the L2 term
            averages = np.zeros((self.averages, *p.value.shape), p.value.dtype)
            self.parameters.append((p, decay, averages))

    @abstractmethod
    def step(self, learning_rate: float) -> None:
        """One update from the gradients of the last backward pass."""


class SGD(Optimizer):
    """W <- W - eta (dW + 2 lambda W): mini-batch gradient descent."""

    def step(self, learning_rate: float) -> None:
        for parameter, decay, _ in self.parameters:
            parameter.descend(learning_rate, decay)


class Momentum(Optimizer):
    """v <- momentum * v + (dW + 2 lambda W), W <- W - eta v: gradient descent with momentum.

    Polyak (1964), "Some methods of speeding up the convergence of iteration methods", in the form
    of Sutskever et al. (2013) that PyTorch takes.
    """

    averages = 1

    def step(self, learning_rate: float) -> None:
        for p, decay, (velocity,) in self.parameters:
            w, g, v = map(np.atleast_2d, (p.value, p.grad, velocity))
            _roll(w, g, v, decay, self.momentum, learning_rate)


class Adam(Optimizer):
    """Algorithm 1 of Kingma and Ba (2015), with decoupled decay.

    W <- (1 - 2 eta lambda) W - eta m / (sqrt(v) + epsilon), where m and v are the corrected means
    of the gradient and of its square: Loshchilov and Hutter (2019), "Decoupled Weight Decay
    Regularization", algorithm 2. `momentum` is the paper's beta_1.
    """

    averages = 2
    powers = np.ones(2)  # beta_1^t, beta_2^t after t steps

    def step(self, learning_rate: float) -> None:
        betas = np.array([self.momentum, BETA_2])
        self.powers = self.powers * betas
        corrections = 1 / (1 - self.powers)
        for p, decay, averages in self.parameters:
            kept = 1 - learning_rate * decay
            w, g, m, v = map(np.atleast_2d, (p.value, p.grad, *averages))
            _adapt(w, g, m, v, kept, learning_rate, betas, corrections)


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
