"""Does λ matter beyond luck? The fine search, judged by Hsu's comparison with the best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import special

from klayer.report.comparison import label, other_images, unlike
from klayer.report.document import Figure, Panel, Section
from klayer.report.drawing import BLUE, INK, OTHERS, at_values, power
from klayer.report.evidence import Evidence, Unanswered, searching
from klayer.report.page import asks, question
from klayer.report.reference import BEST, RANKING
from klayer.report.statistics import EQUAL, Estimate, Values, quantile
from klayer.report.verdicts import DRAWS, NO_SCATTER, NOT_JUDGED, Verdict

WORDS = {1: "L2 helps", 0: "no difference", -1: "L2 harms"}
POWER = 0.8  # of the smallest gain that the search could have seen
SOURCE = "plots/search_l2_runs.csv · dvc repro search_l2"


@dataclass(frozen=True)
class Search:
    """Validation accuracies of the search, and what they tell."""

    coarse: pd.Series[float]  # of one seed, by λ, increasing
    fine: pd.DataFrame  # by λ, increasing, 0 the first; a column for each seed
    means: pd.Series[float]  # of the fine search, over the seeds
    noise: float  # deviation that values and seeds do not explain
    freedom: int  # of the noise
    width: float  # how far below the highest mean a value may lie and still be the best
    candidates: list[float]  # the values that may be the best, 95 % for all of them at once

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
        f"{label(settings)}. All coarse networks share initial weights and mini-batches. Dotted: "
        "the best λ, by validation loss."
    )
    panels = [
        Panel("Coarse search", partial(_draw_coarse, search, reported)),
        Panel("Fine search and λ = 0", partial(_draw_fine, search, best)),
    ]
    return question(
        "l2",
        "Does λ matter beyond luck?",
        verdict,
        blocks=[Figure("search_l2", caption, panels, SOURCE)],
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
    table, means = fine.to_numpy(np.float64), fine.mean(axis=1)
    noise, width = float(_noise(table)), float(_width(table))
    candidates = [float(l2) for l2 in means.index[means > means.max() - width]]
    return Search(coarse, fine, means, noise, _freedom(table), width, candidates)


def judged(runs: pd.DataFrame) -> Verdict:
    """Whether λ = 0 may be the best. Its stability is that of simulated tables: means + noise."""
    search = searched(runs)
    gain = float(search.means.iloc[1:].max() - search.means.iloc[0])
    count = search.freedom + 1
    if search.noise <= EQUAL:
        return Verdict("l2", NOT_JUDGED, Estimate(gain, 0.0, count, 0.0), why=NO_SCATTER)
    error = search.width / float(quantile(search.freedom))  # so that the interval is Hsu's: ± width
    table, means = search.fine.to_numpy(np.float64), search.means.to_numpy(np.float64)
    luck = np.random.default_rng(1).standard_normal((DRAWS, *table.shape)) * search.noise
    code = int(_directions(table))
    share = float((_directions(means[:, np.newaxis] + luck) == code).mean())
    number = Estimate(gain, search.noise, count, error)
    return Verdict("l2", WORDS[code], number, code != 0, share, draws="simulated searches")


def _directions(tables: Values) -> np.ndarray:
    """Of tables (..., values, seeds), λ = 0 the first row."""
    means = tables.mean(axis=-1)
    may = means > (means.max(axis=-1) - _width(tables))[..., np.newaxis]
    return np.where(may[..., 0], -1 * ~may[..., 1:].any(axis=-1), 1)


def _freedom(tables: Values) -> int:
    rows, columns = tables.shape[-2:]
    return int((rows - 1) * (columns - 1))


def _noise(tables: Values) -> Values:
    """The residual of a two-way table of values and seeds."""
    of_rows, of_columns = (tables.mean(axis=axis, keepdims=True) for axis in (-1, -2))
    residual = tables - of_rows - of_columns + tables.mean(axis=(-1, -2), keepdims=True)
    return np.asarray(np.sqrt((residual**2).sum(axis=(-1, -2)) / _freedom(tables)))


def _width(tables: Values) -> Values:
    rows, columns = tables.shape[-2:]
    return np.asarray(hsu(rows - 1, _freedom(tables)) * _noise(tables) * np.sqrt(2 / columns))


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


def _draw_coarse(search: Search, reported: bool, axes: Axes) -> None:
    """One network for each λ, with the band that luck alone would fill."""
    coarse, half = search.coarse, 1.96 * search.noise
    low, high = coarse.mean() - half, coarse.mean() + half
    label = "95 % of values if λ did not matter"
    axes.axhspan(100 * low, 100 * high, color=OTHERS[3], alpha=0.18, lw=0, label=label)
    axes.plot(100 * coarse, "o", color=BLUE, ms=4, alpha=0.7, label="one network")
    if reported:
        values = 100 * pd.Series(RANKING)
        axes.plot(values, "D", mfc="none", color=INK, ms=6, label="reported")
    powers = [10.0**p for p in range(-12, 3, 2)]
    at_values(axes, {p: power(p) for p in powers if coarse.index.min() <= p <= coarse.index.max()})
    _name_axes(axes)


def _draw_fine(search: Search, best: float, axes: Axes) -> None:
    """Means over seeds with their deviations, and how high one that may be the best has to lie."""
    means, deviations = 100 * search.means, 100 * search.fine.std(axis=1)
    values = means.index.to_numpy(np.float64)
    zero = values[1] ** 2 / values[-1] / 1.5  # where λ = 0 is drawn: a logarithmic axis has none
    label, limit = "may be the best: above", means.max() - 100 * search.width
    axes.axhline(limit, ls="--", lw=1, color=BLUE, label=label)
    axes.axvline(best or zero, color=BLUE, ls=":", lw=1.2)
    at = [zero, *values[1:]]
    axes.errorbar(at, means, deviations, fmt="o", color=BLUE, ms=4, capsize=2, label="mean ± std")
    at_values(axes, {zero: "0", **{value: f"{value:.2g}" for value in values[[1, -1]]}})
    _name_axes(axes)


def _name_axes(axes: Axes) -> None:
    axes.set_xlabel("λ")
    axes.set_ylabel("validation accuracy (%)")
