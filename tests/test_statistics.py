"""Intervals and verdicts, by hand and against SciPy's own functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from klayer.report.evidence import Unanswered
from klayer.report.l2 import Search, hsu
from klayer.report.reported import highest
from klayer.report.statistics import (
    DRAWS,
    Values,
    Verdict,
    compared,
    estimate,
    mean_and_error,
    rank,
    signs,
)

shares = st.lists(st.floats(0, 1), min_size=2, max_size=16)


def test_estimate_by_hand() -> None:
    number = estimate([0.5, 0.52, 0.54])
    assert number.mean == pytest.approx(0.52)
    assert number.deviation == pytest.approx(0.02)
    half = 4.30265 * 0.02
    assert number.interval == pytest.approx((0.52 - half / 3**0.5, 0.52 + half / 3**0.5), rel=1e-5)
    assert number.prediction == pytest.approx(
        (0.52 - half * (4 / 3) ** 0.5, 0.52 + half * (4 / 3) ** 0.5), rel=1e-5
    )


def test_a_single_value_has_no_interval() -> None:
    number = estimate([0.5])
    assert (number.interval, number.prediction, number.probability) == (None, None, None)


@given(shares)
def test_intervals_and_p_values_are_scipy_s(values: list[float]) -> None:
    number = estimate(values)
    if number.deviation < 1e-9:
        return
    low, high = stats.t.interval(0.95, len(values) - 1, number.mean, stats.sem(values))
    assert number.interval == pytest.approx((low, high))
    assert number.probability == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-6)


def test_pairs_are_made_by_seed() -> None:
    a, b = pd.Series({1: 0.5, 2: 0.6, 3: 0.9}), pd.Series({2: 0.5, 1: 0.3})
    number = compared(b, a).estimate
    assert number is not None
    assert number.mean == pytest.approx(0.15)
    assert number.count == 2
    apart = compared(a, pd.Series({7: 0.5}))
    assert (apart.estimate, apart.word, apart.certainty) == (
        None,
        "no seed in common",
        "too few seeds",
    )


@given(shares, st.floats(0, 1))
def test_rank_counts_those_below_and_half_of_the_equal(values: list[float], value: float) -> None:
    below = sum(v < value - 1e-9 for v in values)
    equal = sum(abs(v - value) <= 1e-9 for v in values)
    assert rank(value, values) == below + equal / 2


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=16))
def test_signs_are_those_of_the_intervals(values: list[float]) -> None:
    low, high = estimate(values).interval or (values[0], values[0])
    low, high = (0 if abs(end) < 2e-9 else end for end in (low, high))
    assert signs(*mean_and_error(np.array(values)), len(values)) == int(low > 0) - int(high < 0)


def verdict_on(*gains: float) -> Verdict:
    values: Values = np.array(gains)
    return compared(pd.Series(np.zeros(len(values))), pd.Series(values))


def test_a_clear_gain_is_shown_and_a_close_one_suggested() -> None:
    clear = verdict_on(0.5, 0.6, 0.7, 0.55)
    assert (clear.direction, clear.word, clear.share) == ("helps", "shown", 1.0)
    assert clear.certainty == "clear"
    values = np.array([0.2, 0.9, 1.4, -0.1, 1.1, 0.6, 0.1, 0.5])
    assert signs(*mean_and_error(values), len(values)) == 1
    close = verdict_on(*values)
    assert (close.direction, close.word, close.certainty) == ("helps", "suggested", "uncertain")
    rows = np.random.default_rng(1).integers(0, 8, (DRAWS, 8))
    same = [stats.ttest_1samp(d, 0) for d in values[rows] if d.std() > 0]
    share = sum(t.pvalue < 0.05 and t.statistic > 0 for t in same) / DRAWS
    assert close.share == pytest.approx(share, abs=0.002)


def test_no_difference_that_other_seeds_repeat_is_not_shown() -> None:
    verdict = verdict_on(1.0, -1.0, 1.0, -1.0, 1.0, -1.0)
    assert (verdict.direction, verdict.word) == ("no difference", "not shown")
    assert verdict.certainty == "clear"


@pytest.mark.parametrize("gains", [(0.5,), (0.02, 0.12), (0.01, 0.02, 0.2)])
def test_so_few_seeds_say_nothing(gains: tuple[float, ...]) -> None:
    """Among three seeds, one draw in nine takes one seed alone: no difference is never stable."""
    verdict = verdict_on(*gains)
    assert verdict.certainty == "too few seeds"
    assert verdict.word == ("one seed" if len(gains) == 1 else "suggested")


@pytest.mark.parametrize("seeds", [2, 8])
def test_no_scatter_gives_no_verdict(seeds: int) -> None:
    """Rounding gives 0.1 + 0.2 - 0.3, and its like, a sign and a deviation."""
    plain = pd.Series([0.1] * seeds)
    for other in ([0.1] * seeds, [0.3 - 0.2, *[0.1] * (seeds - 1)], [0.2] * seeds):
        verdict = compared(plain, pd.Series(other))
        assert (verdict.direction, verdict.word) == ("not judged", "no scatter over the seeds")
        assert verdict.estimate is not None
        assert verdict.estimate.interval is None


@pytest.mark.parametrize(
    ("by_value", "by_seed"),
    [((0.1, 0.1, 0.1), (0, 0)), ((0.1, 0.1, 0.3 - 0.2), (0, 0.2)), ((0, 1, 2), (0, 1))],
)
def test_a_search_without_noise_gives_no_verdict(
    by_value: Sequence[float], by_seed: Sequence[float]
) -> None:
    table = table_of(np.add.outer(by_value, by_seed))
    assert Search(table).verdict.direction == "not judged"


@pytest.mark.parametrize(("share", "word"), [(0.9, "shown"), (0.8999, "suggested")])
def test_ninety_percent_are_the_threshold(share: float, word: str) -> None:
    assert Verdict("helps", differs=True, share=share).word == word


def test_hsu_s_quantile_is_that_of_the_multivariate_t() -> None:
    d = hsu(12, 24)
    assert d == pytest.approx(2.66, abs=0.005)  # docs/evidence.md
    shape = 0.5 * np.eye(12) + 0.5
    law = stats.multivariate_t(np.zeros(12), shape, df=24)
    assert law.cdf(np.full(12, d), random_state=1) == pytest.approx(0.95, abs=2e-3)
    assert hsu(1, 24) == pytest.approx(stats.t.ppf(0.95, 24), abs=1e-3)  # a single comparison


def table_of(values: Values) -> pd.DataFrame:
    """Of accuracies (values of λ, seeds), λ = 0 the first."""
    rows = [
        ("fine" if i else "none", l2, seed, values[i, seed])
        for i, l2 in enumerate([0.0, *np.logspace(-3, -2, len(values) - 1)])
        for seed in range(values.shape[1])
    ]
    columns = ["phase", "l2", "seed", "validation_accuracy"]
    return pd.DataFrame([("coarse", 1e-3, 0, 0.5), *rows], columns=columns)


def search_of(gain_of_others: float, seed_effects: Sequence[float] = (0, 0.01, 0.02)) -> Search:
    values = 0.52 + np.random.default_rng(3).normal(0, 0.003, (13, 3)) + np.array(seed_effects)
    values[1:] += gain_of_others
    return Search(table_of(values))


def test_the_noise_of_the_search_leaves_values_and_seeds_out() -> None:
    search = search_of(0.0)
    plain = search.fine.to_numpy()
    means = plain.mean(0) + plain.mean(1)[:, np.newaxis] - plain.mean()
    assert search.noise == pytest.approx(np.sqrt(((plain - means) ** 2).sum() / 24))
    assert search_of(0.0, (0.1, -0.3, 0.2)).noise == pytest.approx(search.noise)


def test_only_values_near_the_highest_may_be_the_best() -> None:
    search = search_of(0.02)
    assert 0.0 not in search.candidates
    assert search.means.idxmax() in search.candidates
    assert search.width == pytest.approx(hsu(12, 24) * search.noise * (2 / 3) ** 0.5)
    assert 0.0 in search_of(0.0).candidates


def test_the_smallest_gain_is_found_in_four_of_five_searches() -> None:
    search = search_of(0.0)
    assert search.smallest_gain == pytest.approx(2.89 * search.noise, rel=5e-3)  # docs/evidence.md
    noncentrality = search.smallest_gain / (search.noise * (2 / 3) ** 0.5)
    assert stats.nct.sf(hsu(12, 24), 24, noncentrality) == pytest.approx(0.8, abs=1e-4)


def test_a_search_without_zero_or_with_one_seed_has_no_answer() -> None:
    table = table_of(np.full((3, 2), 0.5))
    for left in (table[table["l2"] > 0], table[table["seed"] == 0]):
        with pytest.raises(Unanswered):
            Search(left)


def test_the_highest_of_fifty_lies_where_the_evidence_file_says() -> None:
    assert highest(8) == pytest.approx((1.07, 5.11), abs=0.005)
