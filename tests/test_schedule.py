from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klayer.networks.schedule import cyclical_learning_rate


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.0), (1, 0.25), (4, 1.0), (5, 0.75), (7, 0.25), (8, 0.0), (12, 1.0), (16, 0.0)],
)
def test_triangle(step: int, rate: float) -> None:
    assert cyclical_learning_rate(step, 4, 0.0, 1.0) == rate


def test_the_schedule_of_the_study() -> None:
    rates = [cyclical_learning_rate(step, 2250, 1e-5, 1e-1) for step in range(9000)]
    assert max(rates) == pytest.approx(1e-1)
    assert rates.index(max(rates)) == 2250
    assert min(rates) == rates[0] == rates[4500] == 1e-5


@given(st.integers(0, 10**6), st.integers(1, 5000), st.floats(1e-8, 1.0), st.floats(0, 1e6))
def test_stays_between_its_ends_and_repeats(step: int, half: int, low: float, more: float) -> None:
    rate = cyclical_learning_rate(step, half, low, low + more)
    assert low <= rate <= (low + more) * (1 + 1e-15)
    assert cyclical_learning_rate(step + 2 * half, half, low, low + more) == rate
    mirrored = cyclical_learning_rate(2 * half - step % (2 * half), half, low, low + more)
    assert mirrored == pytest.approx(rate, rel=1e-12)
