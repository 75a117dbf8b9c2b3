"""Analytic gradients against central differences, in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from klayer.networks.architecture import Architecture
from klayer.networks.layer import Array, Labels, Mode
from klayer.networks.network import Network

EPSILON = np.finfo(np.float64).eps
# Central differences err by step^2 from what they leave out and by EPSILON / step from rounding:
# the sum is least at EPSILON^(1/3), Press et al. (2007), "Numerical Recipes", section 5.7.
STEP = 6.055454452393343e-06  # in digits, as powers are those of the C library
ROUNDINGS = 4  # of the size of the cost, that may add up in its passes: ten times what was seen
SUSPICIOUS = 1e-7  # a larger error may come from a ReLU that bends within the step: take a smaller
FLOOR = 1e-3  # smaller gradients are compared by their absolute error, over this


@dataclass(frozen=True)
class GradientError:
    """How far the analytic gradient of one parameter is from the numerical one."""

    layer: int  # counted from 1
    parameter: str  # weight, bias, gamma or beta
    relative: float  # largest |analytic - numerical| / max(floor, |analytic| + |numerical|)
    absolute: float  # largest |analytic - numerical|
    rounding: float  # what rounding and the step's length alone may do to `relative`
    entries: int


def check_gradients(
    architecture: Architecture,
    images: Array,
    labels: Labels,
    l2: float,
    generator: np.random.Generator,
) -> list[GradientError]:
    """Checks every entry of every weight, bias, gamma and beta of a random network.

    The cost is that of training, mean cross-entropy with the batch's own mean and variance, plus
    l2 * sum W^2; what dropout drops is the same in every pass. images (n, inputs) in float64,
    labels (n,). The numerical gradient is the central difference (cost(p + STEP) - cost(p - STEP))
    / (2 STEP).
    """
    images = np.ascontiguousarray(images)
    masks = generator.spawn(1)[0]
    start = masks.bit_generator.state
    network = Network(architecture, dropout=masks, dtype=np.float64)
    for name, p in network.parameters.items():
        p.value[:] = generator.normal(1 if name.endswith("gamma") else 0, 0.5, p.value.shape)

    def cost() -> float:
        masks.bit_generator.state = start
        network.forward(images, Mode.TRAIN)
        losses = network.output.losses(labels, architecture.label_smoothing)
        return float(losses.mean()) + l2 * network.squared_norm()

    size = abs(cost())
    network.backward(labels)
    analytic = {
        name: p.grad + (2 * l2 * p.value if p.decays else 0)
        for name, p in network.parameters.items()
    }
    return [_error(name, cost, size, network, analytic[name]) for name in analytic]


def _error(
    name: str, cost: Callable[[], float], size: float, network: Network, analytic: Array
) -> GradientError:
    """Of one parameter; `size` is that of the cost."""
    values = network.parameters[name].value

    def error(step: float) -> GradientError:
        near, far = (_numerical(cost, values, h) for h in (step, 2 * step))
        rounding = np.abs(far - near) + ROUNDINGS * EPSILON * size / step
        return _compare(name, analytic, near, rounding)

    found = error(STEP)
    if found.relative <= SUSPICIOUS:
        return found
    return min(found, error(STEP / 8), key=lambda e: e.relative)


def _numerical(cost: Callable[[], float], values: Array, step: float) -> Array:
    """Central differences of each entry of `values`, which are as before in the end."""
    gradient = np.empty_like(values)
    for entry in np.ndindex(values.shape):
        before = values[entry]
        values[entry] = before + step
        above = cost()
        values[entry] = before - step
        below = cost()
        values[entry] = before
        gradient[entry] = (above - below) / (2 * step)
    return gradient


def _compare(name: str, analytic: Array, numerical: Array, rounding: Array) -> GradientError:
    """`rounding` is what the numerical gradient itself may err by, in each entry."""
    difference = np.abs(analytic - numerical)
    size = np.maximum(np.abs(analytic) + np.abs(numerical), FLOOR)
    worst = np.unravel_index((difference / size).argmax(), size.shape)
    layer, parameter = name.split(".")
    return GradientError(
        layer=int(layer.lstrip("abcdefghijklmnopqrstuvwxyz_")),
        parameter=parameter,
        relative=float((difference / size).max()),
        absolute=float(difference.max()),
        rounding=float((rounding / size)[worst]),
        entries=analytic.size,
    )
