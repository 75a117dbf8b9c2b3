"""Optimisers: a function for each name that `optimizer` in params.yaml may use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from klayer.networks.optimizer import Optimizer
    from klayer.networks.parameters import Parameters

# They load Numba and SciPy, so they are imported where networks are trained and not before.


def _sgd(parameters: Parameters, l2: ArrayLike, momentum: float) -> Optimizer:
    from klayer.networks.optimizer import SGD

    return SGD(parameters, l2)


def _momentum(parameters: Parameters, l2: ArrayLike, momentum: float) -> Optimizer:
    from klayer.networks.moments import Momentum

    return Momentum(parameters, l2, momentum)


def _adam(parameters: Parameters, l2: ArrayLike, momentum: float) -> Optimizer:
    from klayer.networks.moments import Adam

    return Adam(parameters, l2, momentum)


# Each makes the optimiser of parameters, of their lambda and the setting `gradient_momentum`.
OPTIMIZERS: dict[str, Callable[[Parameters, ArrayLike, float], Optimizer]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "adam": _adam,
}
