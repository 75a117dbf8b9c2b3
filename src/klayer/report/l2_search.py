"""The fine search of λ, judged by Hsu's multiple comparison with the best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy import special

from klayer.report.statistics import EQUAL, Estimate, Values, quantile
from klayer.report.verdicts import DRAWS, NO_SCATTER, ONE_SEED, Answer, Verdict, unjudged

WORDS = {1: "L2 helps", 0: "no difference", -1: "L2 harms"}
POWER = 0.8  # of the smallest gain that the search could have seen


@dataclass(frozen=True)
class Search:
    """Validation accuracies of the search."""

    coarse: pd.Series[float]  # of one seed, by λ, increasing
    fine: pd.DataFrame  # by λ, increasing, 0 the first; a column for each seed

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the noise."""
        rows, columns = self.fine.shape
        return (rows - 1) * (columns - 1)

    @property
    def noise(self) -> float:
        """Deviation that values and seeds do not explain: the residual of the two-way table."""
        return float(_noise(self.fine.to_numpy(np.float64)))

    @property
    def scatters(self) -> bool:
        """Whether there is noise to compare the values with: else there is no verdict."""
        return self.noise > EQUAL

    @property
    def equal(self) -> bool:
        """Whether all values gave the same accuracy: nothing is to be told apart."""
        return bool(np.ptp(self.means) <= EQUAL)

    @property
    def means(self) -> pd.Series[float]:
        """By λ, over the seeds."""
        return self.fine.mean(axis=1)

    @property
    def width(self) -> float:
        """How far below the highest mean a value may lie and still be the best."""
        return float(_width(self.fine.to_numpy(np.float64)))

    @property
    def candidates(self) -> list[float]:
        """The values that may be the best, 95 % for all of them at once."""
        means = self.means
        return [float(l2) for l2 in means.index[means > means.max() - self.width]]

    @property
    def smallest_gain(self) -> float:
        """The gain over the highest of the others that this search sees in 80 % of cases."""
        critical = hsu(len(self.fine) - 1, self.freedom)
        noncentrality = float(special.nctdtrinc(self.freedom, 1 - POWER, critical))
        return noncentrality * self.noise * float(np.sqrt(2 / self.fine.shape[1]))

    @property
    def gain_of_all(self) -> Estimate:
        """Mean of all λ > 0 less λ = 0: no choice is in it that luck could have made."""
        values, seeds = len(self.fine) - 1, self.fine.shape[1]
        error = self.noise * float(np.sqrt((1 / values + 1) / seeds))
        gain = float(self.means.iloc[1:].mean() - self.means.iloc[0])
        return Estimate(gain, self.noise, self.freedom + 1, error)


def search(runs: pd.DataFrame) -> Search | None:
    """From the table of all runs; None without λ = 0, another value and two seeds of each."""
    coarse = runs[runs["phase"] == "coarse"].groupby("l2")["validation_accuracy"].mean()
    fine = runs[runs["phase"] != "coarse"].pivot_table(
        index="l2", columns="seed", values="validation_accuracy"
    )
    if min(fine.shape) < 2 or fine.index[0] != 0 or fine.isna().any(axis=None):
        return None
    return Search(coarse, fine)


def answer(runs: pd.DataFrame) -> Answer | None:
    """Whether λ = 0 may be the best. Its stability is that of simulated tables: means + noise."""
    found = search(runs)
    if found is None:
        fine = runs[runs["phase"] != "coarse"]
        single = fine["seed"].nunique() == 1 and (fine["l2"] == 0).any()
        return Answer("l2", unjudged(ONE_SEED), None) if single else None
    gain = float(found.means.iloc[1:].max() - found.means.iloc[0])
    if not found.scatters:
        estimate = Estimate(gain, found.noise, found.freedom + 1, 0.0)
        return Answer("l2", unjudged(NO_SCATTER), estimate)
    means, shape = found.means.to_numpy(np.float64), found.fine.shape
    luck = np.random.default_rng(1).standard_normal((DRAWS, *shape)) * found.noise
    code = int(_directions(found.fine.to_numpy(np.float64)))
    share = float((_directions(means[:, np.newaxis] + luck) == code).mean())
    error = found.width / float(quantile(found.freedom))  # so that the interval is Hsu's: ± width
    estimate = Estimate(gain, found.noise, found.freedom + 1, error)
    return Answer("l2", Verdict(WORDS[code], code != 0, share, "simulated searches"), estimate)


def _directions(tables: Values) -> np.ndarray:
    """Of tables (..., values, seeds), λ = 0 the first row."""
    means = tables.mean(axis=-1)
    may = means > (means.max(axis=-1) - _width(tables))[..., np.newaxis]
    return np.where(may[..., 0], -1 * ~may[..., 1:].any(axis=-1), 1)


def _noise(tables: Values) -> Values:
    rows, columns = tables.shape[-2:]
    of_rows, of_columns = (tables.mean(axis=axis, keepdims=True) for axis in (-1, -2))
    residual = tables - of_rows - of_columns + tables.mean(axis=(-1, -2), keepdims=True)
    return np.asarray(np.sqrt((residual**2).sum(axis=(-1, -2)) / ((rows - 1) * (columns - 1))))


def _width(tables: Values) -> Values:
    rows, columns = tables.shape[-2:]
    critical = hsu(rows - 1, (rows - 1) * (columns - 1))
    return np.asarray(critical * _noise(tables) * np.sqrt(2 / columns))


@cache
def hsu(others: int, freedom: int, chance: float = 0.95) -> float:
    """The quantile of the largest of so many one-sided Student statistics that share a control:
    Hsu (1984), "Constrained simultaneous confidence intervals for multiple comparisons with the
    best". P(all < d) is the mean of Phi(sqrt(2) d s + z)^others over the control's z, standard
    normal, and s, root of a chi-squared over its degrees of freedom.
    """
    grid = (np.arange(500) + 0.5) / 500  # of probabilities: the midpoint rule
    s = np.sqrt(special.chdtri(freedom, 1 - grid) / freedom)[:, np.newaxis]
    z = special.ndtri(grid)
    low, high = 0.0, 20.0
    while high - low > 1e-6:
        d = (low + high) / 2
        enough = (special.ndtr(np.sqrt(2) * d * s + z) ** others).mean() > chance
        low, high = (low, d) if enough else (d, high)
    return high
