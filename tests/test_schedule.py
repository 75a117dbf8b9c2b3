from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klayer.networks.schedules import SCHEDULES, triangular


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.0), (1, 0.25), (4, 1.0), (5, 0.75), (7, 0.25), (8, 0.0), (12, 1.0), (16, 0.0)],
)
def test_triangle(step: int, rate: float) -> None:
    assert triangular(step, 8, 4, 0.0, 1.0) == rate


def test_the_schedule_of_the_study() -> None:
    rates = [triangular(step, 9000, 2250, 1e-5, 1e-1) for step in range(9000)]
    assert max(rates) == pytest.approx(1e-1)
    assert rates.index(max(rates)) == 2250
    assert min(rates) == rates[0] == rates[4500] == 1e-5


@given(st.integers(0, 10**6), st.integers(1, 5000), st.floats(1e-8, 1.0), st.floats(0, 1e6))
def test_stays_between_its_ends_and_repeats(step: int, half: int, low: float, more: float) -> None:
    rate = triangular(step, 0, half, low, low + more)
    assert low <= rate <= (low + more) * (1 + 1e-15)
    assert triangular(step + 2 * half, 0, half, low, low + more) == rate
    mirrored = triangular(2 * half - step % (2 * half), 0, half, low, low + more)
    assert mirrored == pytest.approx(rate, rel=1e-12)


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
    found = [SCHEDULES[name](step, 8, 2, 0.0, 1.0) for step in range(8)]
    assert found == pytest.approx(rates, abs=1e-12)


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
        found = []
        for _ in range(120):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return found

    for name in ("cosine", "one_cycle"):
        ours = [SCHEDULES[name](step, 120, 30, 0.001, 0.2) for step in range(120)]
        assert ours == pytest.approx(rates(name), abs=1e-10)
