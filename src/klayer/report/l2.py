"""Does the L2 strength λ matter beyond luck? The fine search, by Hsu's comparison with the best."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import special

from klayer.report import charts, reference, statistics
from klayer.report.evidence import Evidence, Unanswered
from klayer.report.page import Figure, Panel, asks
from klayer.report.statistics import DRAWS, EQUAL, NO_SCATTER, NOT_JUDGED, Estimate, Values, Verdict

DIRECTIONS = {1: "L2 helps", 0: "no difference", -1: "L2 harms"}
POWER = 0.8  # of the smallest gain that the search could have seen
SOURCE = "plots/search_l2_runs.csv · dvc repro search_l2"


class Search:
    """Validation accuracies of the fine search, and their statistics.

    Raises Unanswered unless there are λ = 0, another value, and two seeds.
    """

    def __init__(self, runs: pd.DataFrame) -> None:
        """`runs` is the table of all runs of the search."""
        fine = runs[runs["phase"] != "coarse"].pivot_table(
            index="l2", columns="seed", values="validation_accuracy"
        )
        if min(fine.shape) < 2 or fine.index[0] != 0 or fine.isna().any(axis=None):
            raise Unanswered("it takes λ = 0, another value and two seeds of each")
        self.fine = fine  # by λ, increasing, 0 the first; a column for each seed
        self.table = fine.to_numpy(np.float64)
        self.values, self.seeds = self.table.shape
        self.means = fine.mean(axis=1)  # over the seeds
        self.noise, self.width = map(float, noise_and_width(self.table))
        self.freedom = _freedom(self.table)
        near = self.means > self.means.max() - self.width
        self.candidates = self.means.index[near].tolist()  # values that may be the best

    @property
    def smallest_gain(self) -> float:
        """The smallest gain over the highest other value that is seen in 80 % of such searches."""
        critical = hsu(self.values - 1, self.freedom)
        noncentrality = float(special.nctdtrinc(self.freedom, 1 - POWER, critical))
        return noncentrality * self.noise * float(np.sqrt(2 / self.seeds))

    @property
    def gain_of_all(self) -> Estimate:
        """Mean of all λ > 0 minus λ = 0: no value is chosen, so luck cannot choose."""
        error = self.noise * float(np.sqrt((1 / (self.values - 1) + 1) / self.seeds))
        gain = float(self.means.iloc[1:].mean() - self.means.iloc[0])
        return Estimate(gain, self.noise, self.freedom + 1, error)

    @property
    def verdict(self) -> Verdict:
        """Whether λ = 0 may be the best, by Hsu's interval: the gain of the best λ > 0 ± width.

        Tables of the means with simulated noise are judged as well: the share is of those with the
        same direction.
        """
        error = self.width / float(statistics.quantile(self.freedom))
        gain = float(self.means.iloc[1:].max() - self.means.iloc[0])
        number = Estimate(gain, self.noise, self.freedom + 1, error)
        if self.noise <= EQUAL:
            return Verdict(NOT_JUDGED, number, why=NO_SCATTER)
        luck = np.random.default_rng(1).standard_normal((DRAWS, *self.table.shape)) * self.noise
        simulated = self.means.to_numpy(np.float64)[:, np.newaxis] + luck
        code = int(_directions(self.table))
        share = float((_directions(simulated) == code).mean())
        return Verdict(DIRECTIONS[code], number, code != 0, share, draws="simulated searches")


def _directions(tables: Values) -> np.ndarray:
    """The keys of DIRECTIONS, of tables (..., values, seeds) whose first row is λ = 0."""
    means, (_, width) = tables.mean(axis=-1), noise_and_width(tables)
    may = means > (means.max(axis=-1) - width)[..., np.newaxis]
    return np.where(may[..., 0], -1 * ~may[..., 1:].any(axis=-1), 1)


def _freedom(tables: Values) -> int:
    values, seeds = tables.shape[-2:]
    return int((values - 1) * (seeds - 1))


def noise_and_width(tables: Values) -> tuple[Values, Values]:
    """Two numbers of tables (..., values, seeds): the standard deviation that values and seeds do
    not explain; and how far below the highest mean a value may lie and still be the best (95 % for
    all values at once).
    """
    values, seeds = tables.shape[-2:]
    by_value, by_seed = (tables.mean(axis=axis, keepdims=True) for axis in (-1, -2))
    residual = tables - by_value - by_seed + tables.mean(axis=(-1, -2), keepdims=True)
    noise = np.sqrt((residual**2).sum(axis=(-1, -2)) / _freedom(tables))
    return noise, hsu(values - 1, _freedom(tables)) * noise * np.sqrt(2 / seeds)


@asks("l2", "Does the L2 strength λ matter beyond luck?")
def section(evidence: Evidence) -> dict[str, Any]:
    """The best λ against all others, λ = 0 among them."""
    runs, best, settings = evidence.search_runs, evidence.best_l2, evidence.searching
    search = Search(runs)
    reported = not reference.other_images(evidence) and not reference.BEST.unlike(settings)
    coarse = runs[runs["phase"] == "coarse"].groupby("l2")["validation_accuracy"].mean()
    panels = [_coarse_panel(search, 100 * coarse, reported), _fine_panel(search, best)]
    return {
        "verdict": search.verdict,
        "blocks": [Figure("search_l2", panels, SOURCE)],
        "search": search,
        "settings": settings,
        "best": best,
        "best_may_be": np.isclose(search.candidates, best, rtol=1e-6, atol=0).any(),  # 8 digits
    }


@cache
def hsu(others: int, freedom: int) -> float:
    """The 95 % quantile of the largest of `others` one-sided Student statistics with one control.

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
        enough = (special.ndtr(np.sqrt(2) * d * s + z) ** others).mean() > 0.95
        low, high = (low, d) if enough else (d, high)
    return high


def _coarse_panel(search: Search, coarse: pd.Series[float], reported: bool) -> Panel:
    """The accuracy of one network for each λ, with the band in which luck alone would put them."""

    def draw(axes: Axes) -> None:
        half = 100 * 1.96 * search.noise
        band: Any = {"color": charts.OTHERS[3], "alpha": 0.18, "lw": 0}
        low, high = coarse.mean() - half, coarse.mean() + half
        axes.axhspan(low, high, label="95 % of values if λ did not matter", **band)
        axes.plot(coarse, "o", color=charts.BLUE, ms=4, alpha=0.7, label="one network")
        if reported:
            values = 100 * pd.Series(reference.RANKING)
            axes.plot(values, "D", mfc="none", color=charts.INK, ms=6, label="reported")
        powers = [10.0**p for p in range(-12, 3, 2)]
        inside = [p for p in powers if coarse.index.min() <= p <= coarse.index.max()]
        charts.at_values(axes, {p: charts.power(p) for p in inside})
        axes.set(xlabel="λ", ylabel="validation accuracy (%)")

    return Panel("Coarse search", draw)


def _fine_panel(search: Search, best: float) -> Panel:
    """Means over seeds with their deviations; above the limit lie those that may be the best."""

    def draw(axes: Axes) -> None:
        means, deviations = 100 * search.means, 100 * search.fine.std(axis=1)
        values = means.index.to_numpy(np.float64)
        zero = values[1] ** 2 / values[-1] / 1.5  # where λ = 0 is drawn: a logarithm has none
        limit, blue = means.max() - 100 * search.width, charts.BLUE
        axes.axhline(limit, ls="--", lw=1, color=blue, label="above: may be the best")
        axes.axvline(best or zero, ls=":", lw=1.2, color=blue)
        bars: Any = {"fmt": "o", "ms": 4, "capsize": 2, "label": "mean ± std", "color": blue}
        axes.errorbar([zero, *values[1:]], means, deviations, **bars)
        charts.at_values(axes, {zero: "0", **{v: f"{v:.2g}" for v in values[[1, -1]]}})
        axes.set(xlabel="λ", ylabel="validation accuracy (%)")

    return Panel("Fine search and λ = 0", draw)
