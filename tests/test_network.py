"""Populations against single networks that are written a second time, plainly (plain.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from klayer.networks.parameters import Parameters

from conftest import block
from klayer.networks.architecture import Architecture
from klayer.networks.initialisation import draws
from klayer.networks.layer import Mode
from klayer.networks.layers import Affine
from klayer.networks.network import Network, restored
from plain import cost, forward, gradients, members

CASES = [
    (hidden, batch_norm, networks)
    for hidden in [(), (5,), (6, 4), (5, 4, 3, 4, 5, 3, 4, 6)]
    for batch_norm in (False, True)
    for networks in (1, 3)
]


def architecture(hidden: tuple[int, ...], batch_norm: bool) -> Architecture:
    return Architecture(7, hidden, 4, block(batch_norm))


def population(
    random: np.random.Generator,
    hidden: tuple[int, ...],
    batch_norm: bool,
    networks: int,
    samples: int = 9,
) -> Network:
    parameters = Parameters(networks, np.float64)
    network = Network(architecture(hidden, batch_norm), parameters, samples)
    for name, values in parameters.named().items():
        centre = 1.0 if name.startswith(("gamma", "variance")) else 0.0
        values[:] = random.normal(centre, 0.2 if centre else 0.7, values.shape)
    return network


@pytest.fixture
def batch(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return random.normal(0, 1, (9, 7)), random.integers(0, 4, 9)


@pytest.mark.parametrize(("hidden", "batch_norm", "networks"), CASES)
@pytest.mark.parametrize("mode", Mode)
def test_forward(
    random: np.random.Generator,
    batch: Any,
    hidden: Any,
    batch_norm: bool,
    networks: int,
    mode: Mode,
) -> None:
    network = population(random, hidden, batch_norm, networks)
    before = members(network.parameters)
    found = network.forward(batch[0], mode)
    for m, p in enumerate(before):
        expected, _ = forward(p, batch[0], mode is not Mode.EVALUATE)
        np.testing.assert_allclose(found[:, m], expected, rtol=1e-9)


@pytest.mark.parametrize(("hidden", "batch_norm", "networks"), CASES)
def test_backward(
    random: np.random.Generator, batch: Any, hidden: Any, batch_norm: bool, networks: int
) -> None:
    network = population(random, hidden, batch_norm, networks)
    network.forward(batch[0], Mode.TRAIN)
    network.backward(batch[1])
    found = network.parameters.gradients()
    for m, p in enumerate(members(network.parameters)):
        expected = gradients(p, *batch)
        assert set(found) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name][m], values, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_losses_and_squared_norm_make_the_cost(
    random: np.random.Generator, batch: Any, batch_norm: bool
) -> None:
    network = population(random, (6, 4), batch_norm, 2)
    network.forward(batch[0], Mode.TRAIN)
    losses = network.output.losses(batch[1]).mean(axis=0)
    found = losses + 0.1 * network.parameters.squared_norm()
    expected = [cost(p, batch[0], batch[1], 0.1, train=True) for p in members(network.parameters)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_evaluation_changes_nothing(random: np.random.Generator, batch: Any) -> None:
    network = population(random, (6, 4), True, 2)
    before = members(network.parameters)
    first = network.forward(batch[0], Mode.EVALUATE).copy()
    np.testing.assert_array_equal(network.forward(batch[0], Mode.EVALUATE), first)
    for old, new in zip(before, members(network.parameters), strict=True):
        for name in old:
            np.testing.assert_array_equal(old[name], new[name])


def test_a_network_for_evaluation_shares_the_parameters_and_has_no_arrays_for_gradients(
    random: np.random.Generator, batch: Any
) -> None:
    network = population(random, (6, 4), True, 2)
    count = len(network.parameters.all)
    other = Network(architecture((6, 4), True), network.parameters, 9, trains=False)
    assert len(network.parameters.all) == count
    found = other.forward(batch[0], Mode.EVALUATE)
    np.testing.assert_array_equal(found, network.forward(batch[0], Mode.EVALUATE))
    assert isinstance(other.last, Affine)
    assert other.last.grad_x.size == 0


def test_evaluation_of_an_image_does_not_depend_on_the_others(
    random: np.random.Generator, batch: Any
) -> None:
    network = population(random, (6, 4), True, 2)
    together = network.forward(batch[0], Mode.EVALUATE)
    single = Network(architecture((6, 4), True), network.parameters, 1, trains=False)
    alone = single.forward(batch[0][4:5], Mode.EVALUATE)
    np.testing.assert_allclose(alone[0], together[4], rtol=1e-12)


def test_training_with_batch_norm_does_not_use_the_averages(
    random: np.random.Generator, batch: Any
) -> None:
    network = population(random, (6,), True, 1)
    before = network.forward(batch[0], Mode.TRAIN).copy()
    network.parameters.named()["mean1"][:] = 1e3
    np.testing.assert_array_equal(network.forward(batch[0], Mode.TRAIN), before)


def test_the_order_of_the_layers_in_a_block_counts(random: np.random.Generator, batch: Any) -> None:
    """Batch norm after the activation: its output reaches the next layer as it is."""
    parameters = Parameters(1, np.float64, draws("he", 0.1, [np.random.default_rng(1)]))
    order = ("affine", "relu", "batch_norm")
    network = Network(Architecture(7, (6,), 4, order, epsilon=1e-12), parameters, 9)
    p = members(parameters)[0]
    found = network.forward(batch[0], Mode.TRAIN)[:, 0]
    rectified = np.maximum(batch[0] @ p["W1"] + p["b1"], 0)
    u = (rectified - rectified.mean(0)) / np.sqrt(rectified.var(0) + 1e-12)
    exponentials = np.exp(u @ p["W2"] + p["b2"])
    np.testing.assert_allclose(found, exponentials / exponentials.sum(1, keepdims=True), rtol=1e-9)


def test_dead_units_pass_no_gradient(random: np.random.Generator, batch: Any) -> None:
    network = population(random, (6, 4), False, 1)
    network.parameters.named()["b2"][:] = -1e6
    network.forward(batch[0], Mode.TRAIN)
    network.backward(batch[1])
    found = network.parameters.gradients()
    for name in ("W1", "b1", "W2", "b2", "W3"):
        np.testing.assert_array_equal(found[name], 0)
    assert np.abs(found["b3"]).max() > 0


@pytest.mark.parametrize("samples", [1, 9])
def test_a_batch_that_does_not_vary_keeps_gradients_finite(
    random: np.random.Generator, samples: int
) -> None:
    network = population(random, (6, 4), True, 2, samples)
    network.forward(np.ones((samples, 7)), Mode.TRAIN)
    network.backward(np.zeros(samples, int))
    assert all(np.isfinite(g).all() for g in network.parameters.gradients().values())


def test_names_are_numbered_layer_by_layer(random: np.random.Generator) -> None:
    of_one = ["W{}", "b{}", "gamma{}", "beta{}", "mean{}", "variance{}"]
    expected = [name.format(layer) for layer in (1, 2) for name in of_one] + ["W3", "b3"]
    network = population(random, (6, 5), True, 2)
    named = network.parameters.named()
    assert list(named) == expected
    shapes = {"W1": (2, 7, 6), "b1": (2, 6), "mean2": (2, 5), "W3": (2, 5, 4)}
    assert {name: named[name].shape for name in shapes} == shapes


def test_networks_are_restored_from_their_named_parameters(
    random: np.random.Generator, batch: Any
) -> None:
    network = population(random, (6, 5), True, 2)
    named = network.parameters.named()
    again = restored(architecture((6, 5), True), named)
    other = Network(architecture((6, 5), True), again, 9, trains=False)
    found = other.forward(batch[0], Mode.EVALUATE)
    np.testing.assert_array_equal(found, network.forward(batch[0], Mode.EVALUATE))
    with pytest.raises(ValueError, match=r"b2 has the shape \(2, 4\), not \(2, 5\)"):
        restored(architecture((6, 5), True), named | {"b2": np.zeros((2, 4))})


@pytest.mark.parametrize(
    ("kind", "spread"), [("uniform", 1 / np.sqrt(3)), ("he", np.sqrt(2)), ("normal", 0.3 * 20)]
)
def test_initialisation_has_the_given_spread(kind: str, spread: float) -> None:
    generators = [np.random.default_rng(seed) for seed in (1, 2)]
    parameters = Parameters(2, np.float64, draws(kind, 0.3, generators))
    Network(Architecture(400, (400,), 10, block(True)), parameters, 1)
    named = parameters.named()
    for name in ("W1", "W2"):
        assert np.sqrt(400) * named[name].std() == pytest.approx(spread, rel=0.02)
        assert abs(named[name].mean()) < 4 * named[name].std() / np.sqrt(named[name][0].size)
        assert abs(np.corrcoef(named[name][0].ravel(), named[name][1].ravel())[0, 1]) < 0.1
    if kind == "uniform":
        assert np.abs(named["W1"]).max() <= 1 / 20
    for name, value in {"b1": 0, "b2": 0, "gamma1": 1, "beta1": 0}.items():
        np.testing.assert_array_equal(named[name], value)


def test_equal_generators_give_equal_weights_in_any_population() -> None:
    def named(*seeds: int) -> dict[str, np.ndarray]:
        generators = [np.random.default_rng(seed) for seed in seeds]
        parameters = Parameters(len(seeds), draws=draws("he", 1.0, generators))
        Network(Architecture(9, (5,), 3), parameters, 1)
        return parameters.named()

    pair = named(3, 4)
    for name, values in named(4).items():
        np.testing.assert_array_equal(values[0], pair[name][1])
