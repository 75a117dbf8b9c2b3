"""What a few seeds can tell: intervals and paired differences. Formulas: docs/evidence.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # scipy.stats takes a second to load

EQUAL = 1e-9  # shares that differ by less are equal: rounding moves them by 1e-16, an image by 1e-4
Values = NDArray[np.float64]


def quantile(freedom: int) -> Any:
    """Student's, of a two-sided 95 % interval."""
    return special.stdtrit(freedom, 0.975)


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error, from `count` values with n - 1 degrees of freedom."""

    mean: float
    deviation: float  # of the values, with n - 1; 0 for a single one
    count: int
    error: float

    @property
    def scatters(self) -> bool:
        """Whether there is an error to compare the number with: else it gives no verdict."""
        return self.count > 1 and self.error > EQUAL

    @property
    def interval(self) -> tuple[float, float] | None:
        """Student's 95 % interval; None for a single value, or without scatter."""
        return self._around(self.error)

    @property
    def prediction(self) -> tuple[float, float] | None:
        """Where one more value would lie with 95 % probability; None as for the interval."""
        return self._around(self.deviation * float(np.sqrt(1 + 1 / self.count)))

    def _around(self, error: float) -> tuple[float, float] | None:
        if self.count < 2 or error <= EQUAL:
            return None
        half = float(quantile(self.count - 1)) * error
        return self.mean - half, self.mean + half

    @property
    def probability(self) -> float | None:
        """Student's two-sided p-value of 0; None for a single value or no scatter."""
        if not self.scatters:
            return None
        return float(2 * special.stdtr(self.count - 1, -abs(self.mean) / self.error))


def estimate(values: ArrayLike) -> Estimate:
    """The mean of the values of several seeds."""
    array = np.asarray(values, np.float64).ravel()
    deviation = float(array.std(ddof=1)) if len(array) > 1 else 0.0
    return Estimate(float(array.mean()), deviation, len(array), deviation / len(array) ** 0.5)


def signs(mean: Values, error: Values, count: int) -> NDArray[np.int_]:
    """1 or -1 where the 95 % interval of a mean lies above or below 0, else 0."""
    if count < 2:
        return np.zeros(np.shape(mean), int)
    half = quantile(count - 1) * error
    above, below = np.asarray(mean - half > EQUAL), np.asarray(mean + half < -EQUAL)
    return np.asarray(above.astype(int) - below.astype(int))


def signs_of_means(values: Values) -> NDArray[np.int_]:
    """The same of means over the last axis (..., n)."""
    count = values.shape[-1]
    if count < 2:
        return np.zeros(values.shape[:-1], int)
    return signs(values.mean(axis=-1), values.std(axis=-1, ddof=1) / count**0.5, count)


def rank(value: float, among: ArrayLike) -> float:
    """How many of the values lie below a number; equal ones count half."""
    values = np.asarray(among, np.float64)
    return float((values < value - EQUAL).sum() + (np.abs(values - value) <= EQUAL).sum() / 2)
