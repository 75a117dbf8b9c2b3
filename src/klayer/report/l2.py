"""Does λ matter beyond luck? The fine search, judged by Hsu's comparison with the best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import special

from klayer.report.comparison import label, other_images, unlike
from klayer.report.document import Figure, Panel, Section
from klayer.report.drawing import BLUE, INK, OTHERS, WIDE, at_values, power
from klayer.report.evidence import Evidence, Unanswered, searching
from klayer.report.page import asks, question
from klayer.report.reference import BEST, RANKING
from klayer.report.statistics import EQUAL, Estimate, Values, quantile
from klayer.report.verdicts import DRAWS, NO_SCATTER, NOT_JUDGED, Verdict

WORDS = {1: "L2 helps", 0: "no difference", -1: "L2 harms"}
POWER = 0.8  # of the smallest gain that the search could have seen
SOURCE = "plots/search_l2_runs.csv · stage search_l2 · dvc repro search_l2"


@dataclass(frozen=True)
class Search:
    """Validation accuracies of the search."""

    coarse: pd.Series[float]  # of one seed, by λ, increasing
    fine: pd.DataFrame  # by λ, increasing, 0 the first; a column for each seed

    @property
    def table(self) -> Values:
        """The fine search: a row for each λ, a column for each seed."""
        return self.fine.to_numpy(np.float64)

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the noise."""
        rows, columns = self.fine.shape
        return (rows - 1) * (columns - 1)

    @property
    def noise(self) -> float:
        """Deviation that values and seeds do not explain: the residual of the two-way table."""
        return float(_noise(self.table))

    @property
    def means(self) -> pd.Series[float]:
        """By λ, over the seeds."""
        return self.fine.mean(axis=1)

    @property
    def width(self) -> float:
        """How far below the highest mean a value may lie and still be the best."""
        return float(_width(self.table))

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


@asks("l2", "Does λ matter beyond luck?")
def section(evidence: Evidence) -> Section:
    """The best λ against all others, λ = 0 among them."""
    search, verdict = searched(evidence.search_runs), judged(evidence.search_runs)
    settings, best = searching(evidence.sections), evidence.best_l2
    reported = not other_images(evidence) and not unlike(BEST, settings)
    caption = (
        f"{label(settings)}; dotted: the best λ, by validation loss. All coarse networks share "
        "initial weights and mini-batches."
    )
    draw = partial(_draw, search, best, reported)
    panel = Panel("Validation accuracy over λ", draw, width=WIDE, height=3.4)
    return question(
        "l2",
        "Does λ matter beyond luck?",
        verdict,
        blocks=[Figure("search_l2", caption, [panel], SOURCE)],
        search=search,
        best=best,
        best_may_be=any(_same(l2, best) for l2 in search.candidates),
    )


def searched(runs: pd.DataFrame) -> Search:
    """From the table of all runs. Raises Unanswered without λ = 0, another value and two seeds."""
    coarse = runs[runs["phase"] == "coarse"].groupby("l2")["validation_accuracy"].mean()
    fine = runs[runs["phase"] != "coarse"].pivot_table(
        index="l2", columns="seed", values="validation_accuracy"
    )
    if min(fine.shape) < 2 or fine.index[0] != 0 or fine.isna().any(axis=None):
        raise Unanswered("it takes λ = 0, another value and two seeds of each")
    return Search(coarse, fine)


def judged(runs: pd.DataFrame) -> Verdict:
    """Whether λ = 0 may be the best. Its stability is that of simulated tables: means + noise."""
    search = searched(runs)
    gain = float(search.means.iloc[1:].max() - search.means.iloc[0])
    if search.noise <= EQUAL:
        number = Estimate(gain, search.noise, search.freedom + 1, 0.0)
        return Verdict("l2", NOT_JUDGED, number, why=NO_SCATTER)
    error = search.width / float(quantile(search.freedom))  # so that the interval is Hsu's: ± width
    number = Estimate(gain, search.noise, search.freedom + 1, error)
    luck = np.random.default_rng(1).standard_normal((DRAWS, *search.fine.shape)) * search.noise
    code = int(_directions(search.table))
    means = search.means.to_numpy(np.float64)[:, np.newaxis]
    share = float((_directions(means + luck) == code).mean())
    return Verdict("l2", WORDS[code], number, code != 0, share, draws="simulated searches")


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


def _same(l2: float, other: float) -> bool:
    """Tables have 8 digits."""
    return abs(l2 - other) <= 1e-6 * other


def _draw(search: Search, best: float, reported: bool, axes: Axes) -> None:
    """Coarse, fine and λ = 0, with the band that luck alone would fill."""
    middle, half = search.coarse.mean(), 1.96 * search.noise
    low, high, label = middle - half, middle + half, "95 % of coarse values if λ did not matter"
    axes.axhspan(100 * low, 100 * high, color=OTHERS[3], alpha=0.18, lw=0, label=label)
    zero = min(search.coarse.index.min(), search.fine.index[1]) / 3  # a log axis has no 0
    axes.axvline(best or zero, color=BLUE, ls=":", lw=1.2)
    label = "coarse, one network"
    axes.plot(100 * search.coarse, "o", mfc="none", color=BLUE, ms=4, alpha=0.7, label=label)
    means, deviations = 100 * search.means, 100 * search.fine.std(axis=1)
    at = [zero, *means.index[1:]]
    label = "above: may be the best (fine means)"
    axes.axhline(100 * (search.means.max() - search.width), ls="--", lw=1, color=BLUE, label=label)
    style: Any = {"fmt": "o", "color": BLUE, "ms": 4, "elinewidth": 1, "capsize": 2}
    axes.errorbar(at, means, deviations, label="fine and λ = 0, mean ± std", **style)
    if reported:
        values = 100 * pd.Series(RANKING)
        axes.plot(values, "D", mfc="none", color=INK, ms=6, label="reported")
    largest = 2 * search.coarse.index.max()
    powers = [10.0**p for p in range(-12, 3) if 1.5 * zero < 10.0**p < largest]
    at_values(axes, {zero: "0", **{value: power(value) for value in powers}})
    axes.set_xlabel("λ")
    axes.set_ylabel("validation accuracy (%)")
