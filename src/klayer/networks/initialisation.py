"""Initial weights: a function for each name that `initialisation` in params.yaml may use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Shape = tuple[int, int]  # (units, inputs): the fan out and the fan in
Weights = NDArray[np.float64]


def uniform(generator: Generator, sigma: float, shape: Shape) -> Weights:
    """Within +-1/sqrt(fan in)."""
    bound = 1 / np.sqrt(shape[1])
    return generator.uniform(-bound, bound, shape)


def xavier(generator: Generator, sigma: float, shape: Shape) -> Weights:
    """Within +-sqrt(6 / (fan in + fan out)): Glorot and Bengio (2010), equation 16."""
    bound = np.sqrt(6 / sum(shape))
    return generator.uniform(-bound, bound, shape)


def he(generator: Generator, sigma: float, shape: Shape) -> Weights:
    """Normal with standard deviation sqrt(2 / fan in): He et al. (2015)."""
    return generator.normal(0, np.sqrt(2 / shape[1]), shape)


def normal(generator: Generator, sigma: float, shape: Shape) -> Weights:
    """Normal with standard deviation sigma, in every layer."""
    return generator.normal(0, sigma, shape)


INITIALISATIONS: dict[str, Callable[[Generator, float, Shape], Weights]] = {
    "uniform": uniform,
    "xavier": xavier,
    "he": he,
    "normal": normal,
}
