"""Analytic gradients against central differences, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from klayer.networks.architecture import Architecture
from klayer.networks.arrays import Array, Labels
from klayer.networks.layer import Mode
from klayer.networks.network import Network
from klayer.networks.parameters import Parameters

SUSPICIOUS = 1e-7  # a larger error may come from a ReLU that bends within the step: take a smaller
FLOOR = 1e-3  # smaller gradients are compared by their absolute error, over this


@dataclass(frozen=True)
class GradientError:
    """How far the analytic gradient of one parameter, in any network, is from the numerical one."""

    layer: int  # counted from 1
    parameter: str  # W, b, gamma or beta
    relative: float  # largest |analytic - numerical| / max(floor, |analytic| + |numerical|)
    absolute: float  # largest |analytic - numerical|
    entries: int


def check_gradients(
    architecture: Architecture,
    images: Array,
    labels: Labels,
    l2: float,
    networks: int,
    generator: np.random.Generator,
    step: float,
) -> list[GradientError]:
    """Checks every entry of every W, b, gamma and beta of a random population.

    The cost is that of training, mean cross-entropy with the batch's own mean and variance, plus
    l2 * sum W^2. images (n, d_in) in float64, labels (n,). The numerical gradient is the central
    difference (cost(p + step) - cost(p - step)) / (2 step).
    """
    parameters = Parameters(networks, np.float64)
    network = Network(architecture, parameters, len(images))
    for view in parameters.trained.values():
        view.values[:] = generator.normal(view.fill, 0.5, view.values.shape)
    network.forward(images, Mode.TRAIN)
    network.backward(labels)
    analytic = {name: values.copy() for name, values in _gradients(parameters, l2)}
    errors = []
    for name, view in parameters.trained.items():
        values = view.values
        error = _compare(
            name, analytic[name], _numerical(network, values, images, labels, l2, step)
        )
        if error.relative > SUSPICIOUS:
            smaller = _numerical(network, values, images, labels, l2, step / 8)
            error = min(error, _compare(name, analytic[name], smaller), key=lambda e: e.relative)
        errors.append(error)
    return errors


def _gradients(parameters: Parameters, l2: float) -> Iterator[tuple[str, Array]]:
    """Analytic gradients of the cost, each with a leading axis of M."""
    for name, view in parameters.trained.items():
        yield name, view.gradients() + (2 * l2 * view.values if view.decays else 0)


def _costs(network: Network, images: Array, labels: Labels, l2: float) -> NDArray[np.float64]:
    network.forward(images, Mode.TRAIN)
    losses = network.output.losses(labels).mean(axis=0)
    return np.asarray(losses + l2 * network.parameters.squared_norm())


def _numerical(
    network: Network, values: Array, images: Array, labels: Labels, l2: float, step: float
) -> Array:
    """Central differences; all networks are moved at once, as none depends on another."""
    gradient = np.empty_like(values)
    for index in np.ndindex(values.shape[1:]):
        entry = (slice(None), *index)
        before = values[entry].copy()
        values[entry] = before + step
        above = _costs(network, images, labels, l2)
        values[entry] = before - step
        below = _costs(network, images, labels, l2)
        values[entry] = before
        gradient[entry] = (above - below) / (2 * step)
    return gradient


def _compare(name: str, analytic: Array, numerical: Array) -> GradientError:
    difference = np.abs(analytic - numerical)
    # Differences cannot resolve a gradient below the rounding of the cost divided by the step.
    size = np.maximum(np.abs(analytic) + np.abs(numerical), FLOOR)
    parameter = name.rstrip("0123456789")
    return GradientError(
        layer=int(name[len(parameter) :]),
        parameter=parameter,
        relative=float((difference / size).max()),
        absolute=float(difference.max()),
        entries=analytic.size,
    )
