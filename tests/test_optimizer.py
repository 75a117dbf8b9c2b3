"""Gradient descent with L2: lazy decay equals plain decay, and no member disturbs another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from klayer.networks.optimizer import SGD
from klayer.networks.parameters import Parameters

from conftest import block
from klayer.networks.architecture import Architecture
from klayer.networks.initialisation import draws
from klayer.networks.layer import Mode
from klayer.networks.network import Network
from plain import descend, members


def start(
    hidden: Any = (6, 5), batch_norm: bool = True, networks: int = 1, dtype: Any = np.float64
) -> Network:
    """Networks that start alike."""
    generators = [np.random.default_rng(3) for _ in range(networks)]
    parameters = Parameters(networks, dtype, draws("he", 0.1, generators))
    return Network(Architecture(8, hidden, 4, block(batch_norm)), parameters, 10)


def batches(count: int) -> Any:
    generator = np.random.default_rng(4)
    for _ in range(count):
        yield generator.normal(0, 1, (10, 8)), generator.integers(0, 4, 10)


def train(network: Network, batches: Any, l2: Any, rates: Any) -> list[dict[str, np.ndarray]]:
    optimizer = SGD(network.parameters, l2)
    for (x, labels), rate in zip(batches, rates, strict=True):
        network.forward(x, Mode.TRAIN)
        network.backward(labels)
        optimizer.step(rate)
    return members(network.parameters)


def run(network: Network, l2: Any, rates: Any) -> list[dict[str, np.ndarray]]:
    return train(network, batches(len(rates)), l2, rates)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("hidden", [(), (6,), (6, 5)])
def test_a_population_equals_its_members_alone_and_the_plain_formulas(
    hidden: Any, batch_norm: bool
) -> None:
    l2, rates = [0.0, 0.003, 0.1, 2.0], list(np.linspace(0.001, 0.1, 50))
    together = run(start(hidden, batch_norm, 4), l2, rates)
    for m, value in enumerate(l2):
        (alone,) = run(start(hidden, batch_norm), value, rates)
        (expected,) = members(start(hidden, batch_norm).parameters)
        for step, ((x, labels), rate) in enumerate(zip(batches(50), rates, strict=True)):
            descend(expected, x, labels, value, rate, first=step == 0)
        for name in expected:
            np.testing.assert_allclose(together[m][name], alone[name], rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(together[m][name], expected[name], rtol=1e-8, atol=1e-10)


@given(
    st.lists(st.floats(1e-5, 2.0), min_size=1, max_size=12),
    st.floats(0, 3.0),
)
def test_lazy_decay_equals_plain_decay_even_where_it_turns_the_sign(rates: Any, l2: Any) -> None:
    """Images of zeros give the first weights no gradient, so only the decay is left."""
    network = start(batch_norm=False)
    (before,) = members(network.parameters)
    nothing = [(np.zeros((10, 8)), np.zeros(10, int))] * len(rates)
    (after,) = train(network, nothing, l2, rates)
    factor = np.prod([1 - 2 * rate * l2 for rate in rates])
    np.testing.assert_allclose(after["W1"], factor * before["W1"], rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("rate", [1.0, 1.5])
def test_a_step_that_erases_or_reverses_the_weights(rate: float) -> None:
    (after,) = run(start(), 0.5, [rate])
    (expected,) = members(start().parameters)
    x, labels = next(iter(batches(1)))
    descend(expected, x, labels, 0.5, rate, first=True)
    for name in expected:
        np.testing.assert_allclose(after[name], expected[name], rtol=1e-10, atol=1e-12)


def test_l2_leaves_b_gamma_and_beta_alone() -> None:
    (without,), (with_l2,) = run(start(), 0.0, [0.1]), run(start(), 0.3, [0.1])
    for name in without:
        if name.startswith("W"):
            assert np.abs(without[name] - with_l2[name]).max() > 1e-3
        else:
            np.testing.assert_array_equal(without[name], with_l2[name])


def test_float32_stays_finite_through_very_many_decays() -> None:
    network = start((6,), False, dtype=np.float32)
    ones = [(np.ones((10, 8), np.float32), np.zeros(10, int))] * 3000
    (after,) = train(network, ones, 0.5, [0.1] * 3000)  # the scale alone: 0.9 ** 3000 = 1e-137
    assert all(np.isfinite(values).all() for values in after.values())


@pytest.mark.parametrize("batch_norm", [False, True])
def test_each_lambda_of_the_study_gives_another_network_in_float32(batch_norm: bool) -> None:
    l2 = [*np.logspace(-2, -8, 50), 0.0]
    network = start((6, 5), batch_norm, len(l2), np.float32)
    data = [(x.astype(np.float32), labels) for x, labels in batches(150)]
    trained = train(network, data, l2, [0.1] * 150)
    for name in ("W1", "W2", "W3"):
        assert len({p[name].tobytes() for p in trained}) == len(l2), name


@pytest.mark.parametrize("l2", [1e-8, 1.3e-8, 1e-7])
def test_a_decay_below_the_resolution_of_float32_adds_up(l2: Any) -> None:
    """1 - 2 eta lambda would be 1: without a gradient only the decay is left."""
    network = start((6,), False, dtype=np.float32)
    (before,) = members(network.parameters)
    nothing = [(np.zeros((10, 8), np.float32), np.zeros(10, int))] * 1000
    (after,) = train(network, nothing, l2, [0.1] * 1000)
    shrunk = 1 - (after["W1"] / before["W1"]).mean()
    assert shrunk == pytest.approx(200 * l2, rel=0.02)
