"""The picture of the search: validation accuracy over λ."""

from __future__ import annotations

from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from klayer.report.document import Figure, Key, Panel
from klayer.report.drawing import BLUE, GREEN, INK, ORANGE, power
from klayer.report.l2_search import Search
from klayer.report.reference import RANKING, WORST

SOURCE = "plots/search_l2_runs.csv · stage search_l2 · dvc repro search_l2"


def search_figure(search: Search, best: float, networks: str, reported: bool) -> Figure:
    """Coarse, fine and λ = 0, with the band that luck alone would fill; `networks` says of what,
    `reported` whether the report's accuracies belong beside them.
    """
    legend = [
        Key("coarse, one network", BLUE, "o"),
        Key("fine and λ = 0, mean ± std over seeds", ORANGE, "o"),
        *([Key("reported", INK, "D")] if reported else []),
        *([Key("band: 95 % of coarse values if λ did not matter", GREEN)] * search.scatters),
    ]
    draw = partial(_draw, search=search, best=best, with_reported=reported)
    caption = (
        f"The search of λ; dotted: the best, by validation loss. {networks}; all coarse networks "
        "share start and mini-batches."
    )
    panels = (Panel("Validation accuracy", draw),)
    return Figure("search_l2", caption, panels, legend, wide=True, source=SOURCE)


def _draw(axes: Axes, search: Search, best: float, with_reported: bool) -> None:
    middle, half = search.coarse.mean(), 1.96 * search.noise
    if search.scatters:
        axes.axhspan(100 * (middle - half), 100 * (middle + half), color=GREEN, alpha=0.15, lw=0)
    smallest = min(search.coarse.index.min(), search.fine.index[1])
    zero = smallest / 3  # where λ = 0 is drawn: a logarithmic axis has none
    axes.axvline(best or zero, color=ORANGE, ls=":", lw=1.2)
    axes.plot(100 * search.coarse, "o", color=BLUE, ms=4)
    for accuracies in (search.fine.iloc[1:], search.fine.iloc[:1].set_axis([zero])):
        mean, std = 100 * accuracies.mean(axis=1), 100 * accuracies.std(axis=1)
        axes.errorbar(mean.index, mean, std, fmt="o", color=ORANGE, ms=4, elinewidth=1, capsize=2)
    if with_reported:
        reported = 100 * pd.Series(dict([*RANKING, WORST]))
        axes.plot(reported, "D", mfc="none", color=INK, ms=6)
    _logarithmic(axes, zero)
    axes.set_ylabel("validation accuracy (%)")


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
