"""Gradient descent with momentum, and Adam: optimisers that remember past gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from klayer.networks.arrays import Array
from klayer.networks.compiled import compiled
from klayer.networks.optimizer import Optimizer
from klayer.networks.parameters import Parameters


class _Group:
    """Parameters that are updated in one call, with what an optimiser remembers of them.

    values, gradients and each of the memories are (rows, a, b), l2 (rows,): a row is a network's,
    but there is one for all networks where l2 is 0.
    """

    def __init__(
        self, values: Array, gradients: Callable[[], Array], memories: int, l2: NDArray[np.float64]
    ) -> None:
        self.values, self.gradients, self.l2 = values, gradients, l2
        self.memories = np.zeros((memories, *values.shape), values.dtype)


class _Remembering(Optimizer):
    """An optimiser with so many numbers of its own for every parameter."""

    memories: int

    def __init__(self, parameters: Parameters, l2: ArrayLike) -> None:
        super().__init__(parameters, l2)
        p = parameters
        self.of_networks = [*self._inputs(), self._group(p.weights.value, p.weights.grad, self.l2)]
        self.of_vectors = self._group(p.vectors.value, p.vectors.grad, np.zeros(1))
        self.groups = [*self.of_networks, self.of_vectors]

    def _group(self, values: Array, gradients: Array, l2: NDArray[np.float64]) -> _Group:
        return _Group(values[:, None], lambda: gradients[:, None], self.memories, l2)

    def _inputs(self) -> Iterator[_Group]:
        """Their gradients are made in an array of the optimiser's own; their scale stays 1."""
        for weight in self.parameters.inputs:
            weight.fold()
            out = np.empty_like(weight.v)
            yield _Group(
                weight.values,
                lambda weight=weight, out=out: weight.gradients(out),  # type: ignore[misc]
                self.memories,
                self.l2,
            )

    def reset(self, network: int) -> None:
        """Puts all that is remembered of the network to 0."""
        for group in self.of_networks:
            group.memories[:, network] = 0
        for columns in self.parameters.vectors.columns(network):
            self.of_vectors.memories[..., columns] = 0


class Momentum(_Remembering):
    """v <- momentum * v + (dW + 2 lambda W), W <- W - eta v: gradient descent with momentum.

    Polyak (1964), "Some methods of speeding up the convergence of iteration methods", of the same
    cost as `SGD`; in the form of Sutskever et al. (2013) that PyTorch takes.
    """

    memories = 1

    def __init__(self, parameters: Parameters, l2: ArrayLike, momentum: float) -> None:
        super().__init__(parameters, l2)
        self.momentum = momentum

    def step(self, learning_rate: float) -> None:
        """One update from the gradients of the last backward pass."""
        for g in self.groups:
            (velocity,), l2 = g.memories, 2 * g.l2
            _roll(g.values, g.gradients(), velocity, l2, self.momentum, learning_rate)


class Adam(_Remembering):
    """Algorithm 1 of Kingma and Ba (2015), with decoupled decay.

    W <- (1 - 2 eta lambda) W - eta m / (sqrt(v) + epsilon), where m and v are the corrected means
    of the gradient and of its square: Loshchilov and Hutter (2019), "Decoupled Weight Decay
    Regularization", algorithm 2. So a step takes as much of a weight as that of `SGD`.
    """

    memories = 2
    SQUARES, EPSILON = 0.999, 1e-8  # beta_2 and epsilon of the paper

    def __init__(self, parameters: Parameters, l2: ArrayLike, momentum: float) -> None:
        super().__init__(parameters, l2)
        self.momentum = momentum  # beta_1
        self.powers = np.ones(2)  # beta_1^t, beta_2^t

    def step(self, learning_rate: float) -> None:
        """One update from the gradients of the last backward pass."""
        betas = np.array([self.momentum, self.SQUARES])
        self.powers *= betas
        corrections = 1 / (1 - self.powers)
        for g in self.groups:
            decay, (mean, square) = 1 - 2 * learning_rate * g.l2, g.memories
            moments = (mean, square, betas, corrections, self.EPSILON)
            _adapt(g.values, g.gradients(), decay, learning_rate, *moments)


@compiled
def _roll(
    values: Array,
    gradient: Array,
    velocity: Array,
    l2: NDArray[np.float64],
    momentum: float,
    eta: float,
) -> None:
    """The update of `Momentum`; l2 has 2 lambda for each row."""
    for m in range(values.shape[0]):
        for i in range(values.shape[1]):
            for j in range(values.shape[2]):
                v = momentum * velocity[m, i, j] + gradient[m, i, j] + l2[m] * values[m, i, j]
                velocity[m, i, j] = v
                values[m, i, j] -= eta * v


@compiled
def _adapt(
    values: Array,
    gradient: Array,
    decay: NDArray[np.float64],
    eta: float,
    mean: Array,
    square: Array,
    betas: NDArray[np.float64],
    corrections: NDArray[np.float64],
    epsilon: float,
) -> None:
    """The update of `Adam`."""
    for m in range(values.shape[0]):
        for i in range(values.shape[1]):
            for j in range(values.shape[2]):
                g = gradient[m, i, j]
                first = betas[0] * mean[m, i, j] + (1 - betas[0]) * g
                second = betas[1] * square[m, i, j] + (1 - betas[1]) * (g * g)
                mean[m, i, j], square[m, i, j] = first, second
                size = np.sqrt(corrections[1] * second) + epsilon
                step = corrections[0] * first / size
                values[m, i, j] = decay[m] * values[m, i, j] - eta * step
