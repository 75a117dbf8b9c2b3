"""Populations against single networks that are written a second time, plainly (plain.py)."""

from __future__ import annotations

import numpy as np
import pytest

from klayer.networks.architecture import Architecture
from klayer.networks.network import Network
from klayer.networks.parameters import Parameters, initialise
from plain import cost, forward, gradients, members

CASES = [
    (hidden, batch_norm, networks)
    for hidden in [(), (5,), (6, 4), (5, 4, 3, 4, 5, 3, 4, 6)]
    for batch_norm in (False, True)
    for networks in (1, 3)
]


def population(
    random: np.random.Generator, hidden: tuple[int, ...], batch_norm: bool, networks: int
) -> Parameters:
    parameters = Parameters(Architecture(7, hidden, 4, batch_norm), networks, np.float64)
    for name, values in parameters.named().items():
        centre = 1.0 if name.startswith(("gamma", "variance")) else 0.0
        values[:] = random.normal(centre, 0.2 if centre else 0.7, values.shape)
    return parameters


@pytest.fixture
def batch(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return random.normal(0, 1, (9, 7)), random.integers(0, 4, 9)


@pytest.mark.parametrize(("hidden", "batch_norm", "networks"), CASES)
@pytest.mark.parametrize("train", [False, True])
def test_forward(random, batch, hidden, batch_norm, networks, train) -> None:
    parameters = population(random, hidden, batch_norm, networks)
    before = members(parameters)
    found = Network(parameters, 9).forward(batch[0], train)
    for m, p in enumerate(before):
        np.testing.assert_allclose(found[:, m], forward(p, batch[0], train)[0], rtol=1e-9)


@pytest.mark.parametrize(("hidden", "batch_norm", "networks"), CASES)
def test_backward(random, batch, hidden, batch_norm, networks) -> None:
    parameters = population(random, hidden, batch_norm, networks)
    network = Network(parameters, 9)
    network.forward(batch[0], train=True)
    network.backward(batch[1])
    found = network.gradients()
    for m, p in enumerate(members(parameters)):
        expected = gradients(p, *batch)
        assert set(found) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name][m], values, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_losses_and_squared_norm_make_the_cost(random, batch, batch_norm) -> None:
    parameters = population(random, (6, 4), batch_norm, 2)
    network = Network(parameters, 9)
    network.forward(batch[0], train=True)
    found = network.output.losses(batch[1]).mean(axis=0) + 0.1 * parameters.squared_norm()
    expected = [cost(p, *batch, 0.1, train=True) for p in members(parameters)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_evaluation_changes_nothing(random, batch) -> None:
    parameters = population(random, (6, 4), True, 2)
    before = members(parameters)
    network = Network(parameters, 9)
    first = network.forward(batch[0], train=False).copy()
    np.testing.assert_array_equal(network.forward(batch[0], train=False), first)
    for old, new in zip(before, members(parameters), strict=True):
        for name in old:
            np.testing.assert_array_equal(old[name], new[name])


def test_evaluation_of_an_image_does_not_depend_on_the_others(random, batch) -> None:
    parameters = population(random, (6, 4), True, 2)
    together = Network(parameters, 9).forward(batch[0], train=False)
    alone = Network(parameters, 1).forward(batch[0][4:5], train=False)
    np.testing.assert_allclose(alone[0], together[4], rtol=1e-12)


def test_training_with_batch_norm_does_not_use_the_averages(random, batch) -> None:
    parameters = population(random, (6,), True, 1)
    before = Network(parameters, 9).forward(batch[0], train=True).copy()
    parameters.named()["mean1"][:] = 1e3
    np.testing.assert_array_equal(Network(parameters, 9).forward(batch[0], train=True), before)


def test_dead_units_pass_no_gradient(random, batch) -> None:
    parameters = population(random, (6, 4), False, 1)
    parameters.named()["b2"][:] = -1e6
    network = Network(parameters, 9)
    network.forward(batch[0], train=True)
    network.backward(batch[1])
    found = network.gradients()
    for name in ("W1", "b1", "W2", "b2", "W3"):
        np.testing.assert_array_equal(found[name], 0)
    assert np.abs(found["b3"]).max() > 0


@pytest.mark.parametrize("samples", [1, 9])
def test_a_batch_that_does_not_vary_keeps_gradients_finite(random, samples) -> None:
    parameters = population(random, (6, 4), True, 2)
    network = Network(parameters, samples)
    network.forward(np.ones((samples, 7)), train=True)
    network.backward(np.zeros(samples, int))
    assert all(np.isfinite(values).all() for values in network.gradients().values())


@pytest.mark.parametrize(
    ("kind", "spread"), [("uniform", 1 / np.sqrt(3)), ("he", np.sqrt(2)), ("normal", 0.3 * 20)]
)
def test_initialisation_has_the_given_spread(kind, spread) -> None:
    parameters = Parameters(Architecture(400, (400,), 10, True), 2, np.float64)
    initialise(parameters, [np.random.default_rng(seed) for seed in (1, 2)], kind, 0.3)
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
    alone, pair = (Parameters(Architecture(9, (5,), 3), m) for m in (1, 2))
    initialise(alone, [np.random.default_rng(4)], "he", 1.0)
    initialise(pair, [np.random.default_rng(seed) for seed in (3, 4)], "he", 1.0)
    for name, values in alone.named().items():
        np.testing.assert_array_equal(values[0], pair.named()[name][1])
