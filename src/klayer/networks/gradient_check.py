"""Analytic gradients against central differences, in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from klayer.networks.layer import Array, Labels, Layer, Mode, Start
from klayer.networks.network import Architecture, Network

EPSILON = np.finfo(np.float64).eps
# Central differences err by step^2 from what they leave out and by EPSILON / step from rounding:
# the sum is least at EPSILON^(1/3), Press et al. (2007), "Numerical Recipes", section 5.7.
STEP = 6.055454452393343e-06  # in digits, as powers are those of the C library
ROUNDINGS = 4  # of the size of the cost, that may add up in its passes: ten times what was seen
SUSPICIOUS = 1e-7  # a larger error may come from a ReLU that bends within the step: take a smaller
TOLERANCE = 1e-6  # of a relative error, in `check_layer`
SMALL = 1e-3  # smaller gradients are compared by their absolute error, over this


@dataclass(frozen=True)
class GradientError:
    """How far the analytic gradient of one parameter is from the numerical one."""

    layer: int  # counted from 1
    parameter: str  # weight, bias, gamma or beta
    relative: float  # largest |analytic - numerical| / max(SMALL, |analytic| + |numerical|)
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
    errors = []
    for name, p in network.parameters.items():
        layer, parameter = name.split(".")
        number = int("".join(filter(str.isdigit, layer)))
        difference = _difference(cost, size, p.value, analytic[name])
        errors.append(GradientError(number, parameter, *difference, p.value.size))
    return errors


@dataclass(frozen=True)
class Derivative:
    """The check of one derivative of a layer."""

    name: str  # "the input", or that of a parameter, such as "gamma"
    is_right: bool  # whether the analytic gradient agrees with the numerical one
    sentence: str  # the result in words


def check_layer(layer: Layer, generator: np.random.Generator) -> list[Derivative]:
    """Checks the backward pass of one layer that is not built yet: for its input and each of its
    parameters, in this order.

    The layer is built for 5 inputs, in float64. With random numbers x (8, 5) and r (8, units) the
    cost is sum(r * output), so that r is the gradient of the output. Both passes run twice: a
    gradient is that of the last pass, not a sum over passes. Raises ValueError where an array is
    missing or has a wrong shape.
    """
    masks = generator.spawn(1)[0]
    start = masks.bit_generator.state
    x = generator.normal(0, 1, (8, 5))
    draw = Start(x.dtype, lambda shape: generator.normal(0, 0.5, shape), masks)
    units = layer.build(5, draw)
    for p in layer.parameters.values():
        p.value += generator.normal(0, 0.5, p.value.shape)
    r = generator.normal(0, 1, (8, units))

    def weighted_output() -> Array:
        masks.bit_generator.state = start
        return r * _checked("forward", layer.forward(x.copy(), Mode.TRAIN), r.shape)

    def cost() -> float:
        return float(weighted_output().sum())

    for _ in range(2):
        weighted = weighted_output()
        grad = _checked("backward", layer.backward(r.copy()), x.shape).copy()
    gradients: dict[str, tuple[Array, Array]] = {"the input": (x, grad)}
    for name, p in layer.parameters.items():
        analytic = _checked(f"the gradient of {name}", p.grad, p.value.shape)
        gradients[name] = p.value, analytic.copy()
    derivatives = []
    for name, (values, analytic) in gradients.items():
        relative, _, _ = _difference(cost, float(np.abs(weighted).sum()), values, analytic)
        is_right = relative <= TOLERANCE  # False for NaN
        sentence = f"the gradient of {name} is right"
        if not is_right:
            numerical = _numerical(cost, values, STEP)
            at = np.unravel_index(np.abs(analytic - numerical).argmax(), values.shape)
            sentence = (
                f"the gradient of {name} is wrong: at {tuple(map(int, at))} it is "
                f"{analytic[at]:.6g}, the numerical gradient {numerical[at]:.6g}"
                f"{_hint(analytic, numerical, x, weighted)}"
            )
        derivatives.append(Derivative(name, is_right, sentence))
    return derivatives


def _checked(name: str, array: object, shape: tuple[int, ...]) -> Array:
    if not isinstance(array, np.ndarray) or array.shape != shape:
        kind = getattr(array, "shape", type(array).__name__)
        raise ValueError(f"{name} gives {kind}, it has to give an array of the shape {shape}")
    return array


def _hint(analytic: Array, numerical: Array, x: Array, weighted: Array) -> str:
    """The usual mistake that has this error; `weighted` is the output times its gradient."""

    def near(a: Array, b: Array) -> bool:
        return np.allclose(a, b, rtol=1e-5, atol=1e-6)

    error, centred = analytic - numerical, x - x.mean(axis=0)  # of the layer's input x
    factor = float((analytic * numerical).sum() / max((numerical**2).sum(), SMALL**2))
    if not analytic.any():
        return "; it is 0 everywhere"
    if near(analytic, factor * numerical):
        return f"; it is {factor:.4g} times the right one"
    if analytic.shape == weighted.shape[1:] and near(analytic, weighted.sum(axis=0)):
        return "; it is the sum of the output times its gradient, not of what the parameter scales"
    if error.shape == x.shape:
        if near(error, error[:1]):
            return "; the part through the mean of the batch is missing or wrong"
        if near(error, centred * (error * centred).sum(axis=0) / (centred**2).sum(axis=0)):
            return "; the part through the variance of the batch is missing or wrong"
    return ""


def _difference(
    cost: Callable[[], float], size: float, values: Array, analytic: Array
) -> tuple[float, float, float]:
    """Between the analytic and the numerical gradient of `values`: relative, absolute and rounding,
    as in GradientError. `size` is that of the cost.
    """

    def with_step(step: float) -> tuple[float, float, float]:
        near, far = (_numerical(cost, values, h) for h in (step, 2 * step))
        rounding = np.abs(far - near) + ROUNDINGS * EPSILON * size / step
        difference = np.abs(analytic - near)
        scale = np.maximum(np.abs(analytic) + np.abs(near), SMALL)
        worst = np.unravel_index((difference / scale).argmax(), scale.shape)
        relative = float((difference / scale).max())
        return relative, float(difference.max()), float((rounding / scale)[worst])

    difference = with_step(STEP)
    return difference if difference[0] <= SUSPICIOUS else min(difference, with_step(STEP / 8))


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
