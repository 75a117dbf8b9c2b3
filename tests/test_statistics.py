from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from klayer.report.statistics import (
    Estimate,
    estimate,
    mean_rank_correlation,
    noise,
    paired_difference,
    rank_correlation,
    same_for_all,
    scatter_beyond,
)

numbers = st.floats(-1, 1).map(lambda x: round(x, 4))


def test_interval_is_students_t_by_hand():
    low, high = estimate([1, 2, 3, 4]).interval
    # mean 2.5, std 1.29099, t(0.975, 3) = 3.182446: half width 3.182446 * 1.29099 / 2
    assert low == pytest.approx(2.5 - 2.054260, abs=1e-5)
    assert high == pytest.approx(2.5 + 2.054260, abs=1e-5)


@given(st.lists(numbers, min_size=2, max_size=8).filter(lambda v: np.std(v) > 1e-3))
def test_interval_is_that_of_scipys_test(values):
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert estimate(values).interval == pytest.approx((expected.low, expected.high))


@given(st.lists(numbers, min_size=2, max_size=8))
def test_one_more_value_is_less_certain_than_the_mean(values):
    found = estimate(values)
    assert found.prediction[0] <= found.interval[0] <= found.interval[1] <= found.prediction[1]


def test_one_seed_gives_no_interval_and_shows_nothing():
    one = estimate([0.5])
    assert (one.interval, one.prediction, one.deviation, one.sign) == (None, None, 0.0, 0)


@pytest.mark.parametrize(
    ("mean", "sign"), [(0.1, 1), (-0.1, -1), (0.001, 0)], ids=["above", "below", "unknown"]
)
def test_sign_is_that_of_the_whole_interval(mean, sign):
    assert Estimate(mean, 0.01, 4).sign == sign


def test_differences_are_paired_by_seed_not_by_order():
    a = pd.Series([0.5, 0.6, 0.7], index=[1, 2, 3])
    b = pd.Series([0.65, 0.45, 0.9], index=[3, 1, 9])
    found = paired_difference(a, b)
    assert (found.mean, found.count) == (pytest.approx(0.05), 2)


def test_pairing_removes_what_seeds_share():
    luck = pd.Series([0.0, 0.1, -0.1, 0.2])
    found = paired_difference(luck + 0.01, luck)
    assert found.sign == 1
    assert found.deviation == pytest.approx(0, abs=1e-12)


def test_no_common_seed_is_no_difference():
    assert paired_difference(pd.Series([1.0], index=[1]), pd.Series([1.0], index=[2])) is None


def test_rank_correlation_sees_order_alone():
    assert rank_correlation([1, 2, 3], [10, 100, 1000]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


@pytest.mark.parametrize("values", [[1, 2], [5, 5, 5]], ids=["too few", "constant"])
def test_rank_correlation_is_not_known(values):
    assert rank_correlation(values, values) is None


def test_mean_rank_correlation_is_over_all_pairs_of_seeds():
    rising = np.arange(5.0)
    assert mean_rank_correlation(np.stack([rising, rising, -rising], 1)) == pytest.approx(-1 / 3)
    assert mean_rank_correlation(rising[:, np.newaxis]) is None


def test_noise_is_what_neither_row_nor_column_explains():
    rows, columns = np.array([[0.0], [5], [9]]), np.array([[1.0, 2, 7, 3]])
    random = np.random.default_rng(1).normal(0, 0.5, (3, 4))
    std, freedom = noise(rows + columns + random)
    assert freedom == 6
    assert std == pytest.approx(noise(random)[0])
    assert noise(rows + columns)[0] == pytest.approx(0, abs=1e-12)
    assert noise(rows) is None


def test_noise_finds_the_deviation_of_large_samples():
    table = np.random.default_rng(2).normal(0, 0.5, (200, 50))
    assert noise(table)[0] == pytest.approx(0.5, rel=0.02)


def test_scatter_of_the_noise_itself_is_no_evidence_but_more_is():
    values = np.random.default_rng(3).normal(0, 1, 50)
    assert scatter_beyond(values.tolist(), 1.0, 38) > 0.05
    assert scatter_beyond((3 * values).tolist(), 1.0, 38) < 0.001
    assert scatter_beyond([1.0], 1.0, 38) is None
    assert scatter_beyond([1.0, 2.0], 0.0, 38) is None


def test_same_for_all_needs_enough_and_unequal_values():
    assert same_for_all(np.ones((4, 3))) is None
    assert same_for_all(np.ones((2, 3))) is None
    ordered = np.arange(6.0)[:, np.newaxis] + np.zeros(4)
    assert same_for_all(ordered) < 0.01
