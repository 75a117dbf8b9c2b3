"""The tables of the search: the ranking of λ, reported and ours, and the best λ against others."""

from __future__ import annotations

import numpy as np

from klayer.report import words
from klayer.report.document import Table
from klayer.report.l2_search import Search
from klayer.report.reference import RANKING, WORST

SAME = 0.1  # decades: the report gives 8 decimals, so its smallest λ are known by one digit only
SOURCE = "plots/search_l2_runs.csv · stage search_l2 · dvc repro search_l2"


def nearest(search: Search, l2: float) -> float | None:
    """The λ of the coarse search that a reported one means, None if it was not tried."""
    values = search.coarse.index.to_numpy(np.float64)
    away = np.abs(np.log10(values / l2))
    return float(values[away.argmin()]) if away.min() < SAME else None


def ranking(search: Search) -> Table:
    """The ten best and the worst λ of the report, with ours at the same λ and at the same rank."""
    ordered = search.coarse.sort_values(ascending=False, kind="stable")
    ranks = [*range(1, len(RANKING) + 1), len(ordered)]
    rows = []
    for rank, (l2, reported) in zip(ranks, (*RANKING, WORST), strict=True):
        found = nearest(search, l2)
        at_same = ("not tried", "")
        if found is not None:
            place = int(np.flatnonzero(ordered.index == found)[0]) + 1
            at_same = (words.accuracy(ordered[found]), f"{place} of {len(ordered)}")
        at_rank = ("", "")
        if rank <= len(ordered):
            l2_there, accuracy_there = list(ordered.items())[rank - 1]
            at_rank = (words.l2(float(str(l2_there))), words.accuracy(accuracy_there))
        name = "worst" if l2 == WORST[0] else str(rank)
        rows.append((name, f"{l2:.8f}", words.accuracy(reported), *at_same, *at_rank))
    head = ("rank", "reported λ", "reported", "ours", "its rank", "our λ of that rank", "ours")
    return Table("Coarse search: validation accuracies by rank", head, tuple(rows), SOURCE)


def fine(search: Search, best: float) -> Table:
    """Every value of the fine search and λ = 0, the highest mean first."""
    means = search.means.sort_values(ascending=False, kind="stable")
    may = search.candidates
    rows = [
        (
            words.l2(float(str(l2))) + (" (chosen)" if np.isclose(float(str(l2)), best) else ""),
            words.accuracy(mean),
            words.points(mean - means.iloc[0]),
            "yes" if l2 in may else "no",
        )
        for l2, mean in means.items()
    ]
    head = ("λ", "validation accuracy", "below the highest (points)", "may be the best")
    return Table("Fine search and λ = 0, means over seeds", head, tuple(rows), SOURCE)
