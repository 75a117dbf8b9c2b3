"""What a few seeds can tell: intervals, paired differences, ranks. The methods are SciPy's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """Mean and standard deviation (with n - 1; 0 for a single value) of `count` values."""

    mean: float
    deviation: float
    count: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """Student's 95 % interval of the mean; None for a single value."""
        return self._around(np.sqrt(1 / self.count))

    @property
    def prediction(self) -> tuple[float, float] | None:
        """Where one more value would lie with 95 % probability; None for a single value."""
        return self._around(np.sqrt(1 + 1 / self.count))

    def _around(self, factor: float) -> tuple[float, float] | None:
        if self.count < 2:
            return None
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, self.count - 1) * self.deviation * factor)
        return self.mean - half, self.mean + half

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies above or below 0, else 0: nothing is shown."""
        low, high = self.interval or (0.0, 0.0)
        return int(low > 0) - int(high < 0)


def estimate(values: ArrayLike) -> Estimate:
    """Of the values of several seeds."""
    array = np.asarray(values, np.float64)
    deviation = float(array.std(ddof=1)) if len(array) > 1 else 0.0
    return Estimate(float(array.mean()), deviation, len(array))


def paired_difference(a: pd.Series[float], b: pd.Series[float]) -> Estimate | None:
    """a - b, seed by seed (their index); None when they have no seed in common.

    Equal seeds mean equal mini-batches, so what both share by luck cancels.
    """
    difference = (a - b).dropna()
    return estimate(difference) if len(difference) else None


def rank_correlation(a: ArrayLike, b: ArrayLike) -> float | None:
    """Spearman's: 1 for the same order, 0 for none. None for constant or fewer than 3 values."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(stats.spearmanr(x, y).statistic)


def mean_rank_correlation(columns: NDArray[np.float64]) -> float | None:
    """The mean of Spearman's over all pairs of columns (n, seeds)."""
    pairs = [(i, j) for i in range(columns.shape[1]) for j in range(i)]
    found = [rank_correlation(columns[:, i], columns[:, j]) for i, j in pairs]
    values = [value for value in found if value is not None]
    return float(np.mean(values)) if values else None


def noise(table: NDArray[np.float64]) -> tuple[float, int] | None:
    """Standard deviation that rows (settings) and columns (seeds) do not explain, and its degrees
    of freedom: the residual of a two-way analysis of variance. None for one row or one column.
    """
    rows, columns = table.shape
    freedom = (rows - 1) * (columns - 1)
    if freedom == 0:
        return None
    of_rows, of_columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    residual = table - of_rows - of_columns + table.mean()
    return float(np.sqrt((residual**2).sum() / freedom)), freedom


def scatter_beyond(values: Sequence[float], noise_std: float, freedom: int) -> float | None:
    """Probability that noise alone scatters the values as much: the F test of two variances."""
    if len(values) < 2 or noise_std == 0:
        return None
    ratio = float(np.var(values, ddof=1)) / noise_std**2
    return float(stats.f.sf(ratio, len(values) - 1, freedom))


def same_for_all(table: NDArray[np.float64]) -> float | None:
    """Probability of rows (settings) so different, column by column, were they all the same.

    Friedman's test. None under 3 rows or 2 columns, or where all rows are equal.
    """
    if table.shape[0] < 3 or table.shape[1] < 2 or (np.ptp(table, axis=0) == 0).all():
        return None
    return float(stats.friedmanchisquare(*table).pvalue)
