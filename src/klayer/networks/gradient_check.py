"""Analytic gradients against central differences, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from klayer.networks.architecture import Architecture
from klayer.networks.arrays import Array, Labels
from klayer.networks.layer import Mode
from klayer.networks.network import Network
from klayer.networks.parameters import Parameters

EPSILON = np.finfo(np.float64).eps
# Central differences err by step^2 from what they leave out and by EPSILON / step from rounding:
# the sum is least at EPSILON^(1/3), Press et al. (2007), "Numerical Recipes", section 5.7.
STEP = float(EPSILON ** (1 / 3))  # 6.1e-6
ROUNDINGS = 4  # of the size of the cost, that may add up in its passes: ten times what was seen
SUSPICIOUS = 1e-7  # a larger error may come from a ReLU that bends within the step: take a smaller
FLOOR = 1e-3  # smaller gradients are compared by their absolute error, over this


@dataclass(frozen=True)
class GradientError:
    """How far the analytic gradient of one parameter, in any network, is from the numerical one."""

    layer: int  # counted from 1
    parameter: str  # W, b, gamma or beta
    relative: float  # largest |analytic - numerical| / max(floor, |analytic| + |numerical|)
    absolute: float  # largest |analytic - numerical|
    rounding: float  # what rounding and the step's length alone may do to `relative`
    entries: int


def check_gradients(
    architecture: Architecture,
    images: Array,
    labels: Labels,
    l2: float,
    networks: int,
    generator: np.random.Generator,
) -> list[GradientError]:
    """Checks every entry of every W, b, gamma and beta of a random population.

    The cost is that of training, mean cross-entropy with the batch's own mean and variance, plus
    l2 * sum W^2; what dropout drops is the same in every pass. images (n, d_in) in float64, labels
    (n,). The numerical gradient is the central difference (cost(p + STEP) - cost(p - STEP)) /
    (2 STEP).
    """
    parameters = Parameters(networks, np.float64)
    masks = _Replayed(generator, networks)
    network = Network(architecture, parameters, len(images), generators=masks.generators)
    for view in parameters.trained.values():
        view.values[:] = generator.normal(view.fill, 0.5, view.values.shape)

    def costs() -> NDArray[np.float64]:
        masks.rewind()
        return _costs(network, images, labels, l2)

    size = float(np.abs(costs()).max())
    network.backward(labels)
    analytic = {name: values.copy() for name, values in _gradients(parameters, l2)}
    return _errors(costs, size, parameters, analytic)


def _errors(
    costs: Callable[[], NDArray[np.float64]],
    size: float,
    parameters: Parameters,
    analytic: dict[str, Array],
) -> list[GradientError]:
    """Of each parameter; `size` is that of the cost."""

    def error(name: str, step: float) -> GradientError:
        values = parameters.trained[name].values
        near, far = (_numerical(costs, values, h) for h in (step, 2 * step))
        rounding = np.abs(far - near) + ROUNDINGS * EPSILON * size / step
        return _compare(name, analytic[name], near, rounding)

    errors = {name: error(name, STEP) for name in analytic}
    for name, found in errors.items():
        if found.relative > SUSPICIOUS:
            errors[name] = min(found, error(name, STEP / 8), key=lambda e: e.relative)
    return list(errors.values())


def _gradients(parameters: Parameters, l2: float) -> Iterator[tuple[str, Array]]:
    """Analytic gradients of the cost, each with a leading axis of M."""
    for name, view in parameters.trained.items():
        yield name, view.gradients() + (2 * l2 * view.values if view.decays else 0)


def _costs(network: Network, images: Array, labels: Labels, l2: float) -> NDArray[np.float64]:
    network.forward(images, Mode.TRAIN)
    losses = network.output.losses(labels).mean(axis=0)
    return np.asarray(losses + l2 * network.parameters.squared_norm())


class _Replayed:
    """A generator for each network, whose draws can be had again; takes none of its parent's."""

    def __init__(self, parent: np.random.Generator, networks: int) -> None:
        self.generators = parent.spawn(networks)
        self.states = [generator.bit_generator.state for generator in self.generators]

    def rewind(self) -> None:
        for generator, state in zip(self.generators, self.states, strict=True):
            generator.bit_generator.state = state


def _numerical(costs: Callable[[], NDArray[np.float64]], values: Array, step: float) -> Array:
    """Central differences; all networks are moved at once, as none depends on another."""
    gradient = np.empty_like(values)
    for index in np.ndindex(values.shape[1:]):
        entry = (slice(None), *index)
        before = values[entry].copy()
        values[entry] = before + step
        above = costs()
        values[entry] = before - step
        below = costs()
        values[entry] = before
        gradient[entry] = (above - below) / (2 * step)
    return gradient


def _compare(name: str, analytic: Array, numerical: Array, rounding: Array) -> GradientError:
    """`rounding` is what the numerical gradient itself may err by, in each entry."""
    difference = np.abs(analytic - numerical)
    size = np.maximum(np.abs(analytic) + np.abs(numerical), FLOOR)
    worst = np.unravel_index((difference / size).argmax(), size.shape)
    parameter = name.rstrip("0123456789")
    return GradientError(
        layer=int(name[len(parameter) :]),
        parameter=parameter,
        relative=float((difference / size).max()),
        absolute=float(difference.max()),
        rounding=float((rounding / size)[worst]),
        entries=analytic.size,
    )
