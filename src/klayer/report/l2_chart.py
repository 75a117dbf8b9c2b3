"""The picture of the search: validation accuracy over λ."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from klayer.report.document import Figure, Key, Panel
from klayer.report.drawing import BLUE, GREEN, INK, ORANGE, power
from klayer.report.l2_search import Search
from klayer.report.l2_tables import SOURCE
from klayer.report.reference import RANKING, WORST


def search_figure(search: Search, best: float, synthetic: bool) -> Figure:
    """Coarse, fine and λ = 0, with the band that luck alone would fill."""
    legend = [
        Key("coarse, one network", BLUE, "o"),
        Key("fine and λ = 0, mean ± std over seeds", ORANGE, "o"),
    ]
    if not synthetic:
        legend.append(Key("reported", INK, "D"))
    legend.append(Key("band: 95 % of coarse values if λ did not matter", GREEN))
    panel = Panel("Validation accuracy", lambda axes: _draw(axes, search, best, synthetic))
    caption = (
        "The search of λ; dotted: the best, by validation loss. 3 layers, BN; all coarse networks "
        "share start and mini-batches."
    )
    return Figure("search_l2", caption, (panel,), tuple(legend), wide=True, source=SOURCE)


def _draw(axes: Axes, search: Search, best: float, synthetic: bool) -> None:
    middle, half = search.coarse.mean(), 1.96 * search.noise
    axes.axhspan(100 * (middle - half), 100 * (middle + half), color=GREEN, alpha=0.15, lw=0)
    axes.axvline(best, color=ORANGE, ls=":", lw=1.2)
    axes.plot(search.coarse.index, 100 * search.coarse, "o", color=BLUE, ms=4)
    fine = search.fine.iloc[1:]
    smallest = min(search.coarse.index.min(), fine.index.min())
    zero = smallest / 3  # where λ = 0 is drawn: a logarithmic axis has none
    _mean_and_spread(axes, fine.index.to_numpy(), fine.to_numpy())
    _mean_and_spread(axes, np.array([zero]), search.fine.iloc[:1].to_numpy())
    if not synthetic:
        reported = np.array([*RANKING, WORST])
        axes.plot(reported[:, 0], 100 * reported[:, 1], "D", mfc="none", color=INK, ms=6)
    _logarithmic(axes, zero)
    axes.set_ylabel("validation accuracy (%)")


def _mean_and_spread(axes: Axes, l2: np.ndarray, accuracies: np.ndarray) -> None:
    """accuracies (values of l2, seeds)."""
    mean = 100 * accuracies.mean(axis=1)
    std = 100 * accuracies.std(axis=1, ddof=1) if accuracies.shape[1] > 1 else None
    axes.errorbar(l2, mean, yerr=std, fmt="o", color=ORANGE, ms=4, elinewidth=1, capsize=2)


def _logarithmic(axes: Axes, zero: float) -> None:
    """A logarithmic axis of λ whose leftmost tick says 0."""
    axes.set_xscale("log")
    axes.set_xlabel("λ (logarithmic; 0 at the left)")
    powers = [10.0**p for p in range(-12, 3) if 10.0**p > 1.5 * zero]
    axes.xaxis.set_major_locator(FixedLocator([zero, *powers]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: "0" if value < 1.5 * zero else power(value))
    )
