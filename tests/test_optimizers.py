"""Optimisers and schedules: steps worked out by hand, plain gradient descent, PyTorch's rates."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import block
from klayer.networks.layer import Mode, Parameter
from klayer.networks.layers import INITIALISATIONS, Weight
from klayer.networks.network import Architecture, Network
from klayer.networks.optimizers import OPTIMIZERS, SGD
from klayer.networks.schedules import SCHEDULES
from plain import copied, descend

ETA, L2 = 0.5, 0.25


def start(hidden: Any = (6, 5), batch_norm: bool = True, dtype: Any = np.float64) -> Network:
    draw = partial(INITIALISATIONS["he"], np.random.default_rng(3), 0.1)
    return Network(Architecture(8, hidden, 4, block(batch_norm)), draw, dtype=dtype)


def batches(count: int, dtype: Any = np.float64) -> Any:
    generator = np.random.default_rng(4)
    for _ in range(count):
        yield generator.normal(0, 1, (10, 8)).astype(dtype), generator.integers(0, 4, 10)


def train(network: Network, batches: Any, l2: float, rates: Any) -> dict[str, np.ndarray]:
    optimizer = SGD(network.parameters.values(), l2, 0.0)
    for (x, labels), rate in zip(batches, rates, strict=True):
        network.forward(x, Mode.TRAIN)
        network.backward(labels)
        optimizer.step(rate)
    return copied(network)


def moved(optimizer: str, decays: bool, gradients: list[float]) -> list[float]:
    """The values of a weight or a bias that begins at 1."""
    weight, bias = Weight(np.ones((1, 1))), Parameter(np.ones(1))
    optimize, values = OPTIMIZERS[optimizer]([weight, bias], L2, 0.5), []
    for gradient in gradients:
        weight.keep(np.full((1, 1), gradient), np.ones((1, 1)))
        bias.grad[:] = gradient
        optimize.step(ETA)
        values.append((weight if decays else bias).value.item())
    return values


@pytest.mark.parametrize(
    ("optimizer", "decays", "values"),
    [
        ("sgd", False, [0.0, 0.5]),
        # 1 - 0.5 (2 + 0.5), -0.25 - 0.5 (-1 - 0.125)
        ("sgd", True, [-0.25, 0.3125]),
        # v = 2 and 0.5 * 2 - 1 = 0
        ("momentum", False, [0.0, 0.0]),
        # v = 2.5 and 1.25 - 1 - 0.125
        ("momentum", True, [-0.25, -0.3125]),
    ],
)
def test_two_steps_by_hand(optimizer: str, decays: bool, values: list[float]) -> None:
    np.testing.assert_array_equal(moved(optimizer, decays, [2.0, -1.0]), values)


@pytest.mark.parametrize(("decays", "kept"), [(False, 1.0), (True, 0.75)])
def test_two_steps_of_adam_by_hand(decays: bool, kept: float) -> None:
    """m = 1 / 0.5 = 2, v = 2^2; then m = (0.5 - 0.5) / 0.75 = 0."""
    first, second = moved("adam", decays, [2.0, -1.0])
    assert first == pytest.approx(kept - 0.5, abs=1e-8)
    assert second == pytest.approx(kept * first, abs=1e-8)
    # m = (0.5 + 1.5) / 0.75, v = (0.999 * 0.004 + 0.001 * 9) / (1 - 0.999^2)
    first, second = moved("adam", decays, [2.0, 3.0])
    size = ((0.999 * 0.004 + 0.009) / (1 - 0.999**2)) ** 0.5
    assert second == pytest.approx(kept * first - 0.5 * (2 / 0.75) / size, abs=1e-8)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("hidden", [(), (6,), (6, 5)])
@pytest.mark.parametrize("l2", [0.0, 0.003, 0.1, 2.0])
def test_50_steps_are_those_of_the_plain_formulas(hidden: Any, batch_norm: bool, l2: float) -> None:
    rates = list(np.linspace(0.001, 0.1, 50))
    trained = train(start(hidden, batch_norm), batches(50), l2, rates)
    expected = copied(start(hidden, batch_norm))
    for step, ((x, labels), rate) in enumerate(zip(batches(50), rates, strict=True)):
        descend(expected, x, labels, l2, rate, keep=0.9 if step else 0.0)
    for name in expected:
        np.testing.assert_allclose(trained[name], expected[name], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("triangular", [0, 0.5, 1, 0.5, 0, 0.5, 1, 0.5]),
        ("constant", [1] * 8),
        ("step", [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
        ("cosine", [1, 0.853553390593, 0.5, 0.146446609407] * 2),  # (1 + cos 45 degrees) / 2
    ],
)
def test_a_schedule_of_8_steps_in_2_cycles(name: str, rates: list[float]) -> None:
    computed = [SCHEDULES[name](step, 8, 2, 0.0, 1.0) for step in range(8)]
    assert computed == pytest.approx(rates, abs=1e-12)


@given(st.sampled_from([*SCHEDULES]), st.integers(1, 500), st.integers(1, 5), st.integers(0))
def test_every_schedule_stays_between_its_ends(name: str, half: int, cycles: int, n: int) -> None:
    steps = 2 * half * cycles
    low = 1e-6 if name != "step" else 0
    assert low <= SCHEDULES[name](n % steps, steps, half, 1e-6, 0.3) <= 0.3 * (1 + 1e-15)


def test_one_cycle_and_cosine_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    schedulers = torch.optim.lr_scheduler

    def rates(schedule: str) -> list[float]:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
        if schedule == "cosine":
            scheduler = schedulers.CosineAnnealingWarmRestarts(optimizer, 60, eta_min=0.001)
        else:
            ends = {"div_factor": 200, "final_div_factor": 1}
            scheduler = schedulers.OneCycleLR(optimizer, 0.2, 120, **ends)
        learning_rates = []
        for _ in range(120):
            learning_rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return learning_rates

    for name in ("cosine", "one_cycle"):
        ours = [SCHEDULES[name](step, 120, 30, 0.001, 0.2) for step in range(120)]
        assert ours == pytest.approx(rates(name), abs=1e-10)
