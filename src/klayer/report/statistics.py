"""Intervals from a few seeds, and the rule of all verdicts; see docs/evidence.md."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special  # scipy.stats takes a second to load

EQUAL = 1e-9  # smaller differences of shares are rounding (1e-16); one image makes 1e-4
DRAWS = 2000
STABLE = 0.9  # of the draws have to give the same direction
FEW = 3  # seeds: with so few, "no difference" cannot be stable, see docs/evidence.md
NOT_JUDGED = "not judged"
ONE_SEED, NO_SCATTER, NO_COMMON = "one seed", "no scatter over the seeds", "no seed in common"
GAIN = {1: "helps", 0: "no difference", -1: "harms"}

Values = NDArray[np.float64]
# Of tables (..., n seeds, k columns): a mean of each and its standard error.
Statistic = Callable[[Values], tuple[Values, Values]]
# Of tables (..., n seeds, k columns): the code of the direction of each, 0 for no difference.
Direction = Callable[[Values], NDArray[np.int_]]


def quantile(freedom: int) -> Any:
    """Student's quantile for a two-sided 95 % interval, by degrees of freedom."""
    return special.stdtrit(freedom, 0.975)


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error, from `count` values with n - 1 degrees of freedom."""

    mean: float
    deviation: float  # of the values, with n - 1; 0 for a single one
    count: int
    error: float

    @property
    def interval(self) -> tuple[float, float] | None:
        """Student's 95 % interval; None for a single value, or without scatter."""
        return self._around(self.error)

    @property
    def prediction(self) -> tuple[float, float] | None:
        """The 95 % prediction interval of one more value; None as for the interval."""
        return self._around(self.deviation * float(np.sqrt(1 + 1 / self.count)))

    def _around(self, error: float) -> tuple[float, float] | None:
        if self.count < 2 or error <= EQUAL:
            return None
        half = float(quantile(self.count - 1)) * error
        return self.mean - half, self.mean + half

    @property
    def probability(self) -> float | None:
        """Student's two-sided p-value of 0; None as for the interval."""
        if self.interval is None:
            return None
        return float(2 * special.stdtr(self.count - 1, -abs(self.mean) / self.error))


def estimate(values: ArrayLike) -> Estimate:
    """The mean of the values of several seeds."""
    array = np.asarray(values, np.float64).ravel()
    mean, error = mean_and_error(array)
    return Estimate(float(mean), float(error) * len(array) ** 0.5, len(array), float(error))


def mean_and_error(values: Values) -> tuple[Values, Values]:
    """The mean over the last axis (..., n) with its standard error; 0 for a single value."""
    count, mean = values.shape[-1], values.mean(axis=-1)
    return mean, values.std(axis=-1, ddof=1) / count**0.5 if count > 1 else np.zeros_like(mean)


def signs(mean: Values, error: Values, count: int) -> NDArray[np.int_]:
    """1 or -1 where the 95 % interval of a mean of two values or more lies above or below 0."""
    half = quantile(count - 1) * error
    return np.where(mean - half > EQUAL, 1, np.where(mean + half < -EQUAL, -1, 0))


def rank(value: float, among: ArrayLike) -> float:
    """How many of the values lie below a number; equal ones count half."""
    values = np.asarray(among, np.float64)
    return float((values < value - EQUAL).sum() + (np.abs(values - value) <= EQUAL).sum() / 2)


@dataclass(frozen=True)
class Verdict:
    """A direction, the number behind it, and the share of redrawn seeds with the same direction.

    When there is no verdict, the direction is `not judged`, and `why` has the reason.
    """

    direction: str
    estimate: Estimate | None = None  # None without a seed in common
    differs: bool = False  # whether the direction says that there is a difference
    share: float | None = None  # of the draws; None where there is no verdict
    why: str = ""
    draws: str = "redrawn sets of seeds"

    @property
    def word(self) -> str:
        """The word in plots/: shown, suggested, not shown, or the reason why it is not judged."""
        if self.share is None:
            return self.why
        if self.share < STABLE:
            return "suggested"
        return "shown" if self.differs else "not shown"

    @property
    def certainty(self) -> str:
        """The word on the page: clear, uncertain, too few seeds, or not judged."""
        if self.share is None:
            return "too few seeds" if self.why in (ONE_SEED, NO_COMMON) else NOT_JUDGED
        if not self.differs and self.estimate and self.estimate.count <= FEW:
            return "too few seeds"
        return "clear" if self.share >= STABLE else "uncertain"

    @property
    def percent(self) -> int:
        """The share, rounded down: 89.9 % is not the 90 % that the rule asks for."""
        return math.floor(100 * (self.share or 0.0) + 1e-9)


def judge(
    table: Values,
    statistic: Statistic,
    words: Mapping[int, str],
    direction: Direction | None = None,
) -> Verdict:
    """The verdict on a table (n seeds, k columns), whose rows are redrawn; `words` has the names of
    the directions.

    By default the direction is the side of 0 on which the statistic's interval lies. There is no
    verdict for a single seed, or when the statistic has no scatter.
    """
    if not (count := len(table)):
        return Verdict(NOT_JUDGED, why=NO_COMMON)
    mean, error = map(float, statistic(table))
    number = Estimate(mean, error * count**0.5, count, error)
    if number.interval is None:
        return Verdict(NOT_JUDGED, number, why=ONE_SEED if count < 2 else NO_SCATTER)
    codes = direction or (lambda tables: signs(*statistic(tables), count))
    code = int(codes(table))
    rows = np.random.default_rng(1).integers(0, count, (DRAWS, count))
    share = float((codes(table[rows]) == code).mean())
    return Verdict(words[code], number, code != 0, share)


def compared(
    plain: pd.Series[float], other: pd.Series[float], words: Mapping[int, str] = GAIN
) -> Verdict:
    """The verdict on `other` minus `plain`, by seed (their index)."""
    return differing(np.asarray((other - plain).dropna(), np.float64), words)


def differing(values: Values, words: Mapping[int, str]) -> Verdict:
    """The verdict on a number of each seed, which would be 0 without a difference."""
    return judge(values[:, np.newaxis], lambda tables: mean_and_error(tables[..., 0]), words)
