"""The tables of the search: the ranking of λ, reported and ours, and the best λ against others."""

from __future__ import annotations

import numpy as np

from klayer.report import words
from klayer.report.document import Table
from klayer.report.l2_search import Search
from klayer.report.reference import RANKING, WORST

SAME = 0.1  # decades: the report gives 8 decimals, so its smallest λ are known by one digit only
LONGEST = 10  # rows


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
            at_rank = (words.strength(float(str(l2_there))), words.accuracy(accuracy_there))
        name = "worst" if l2 == WORST[0] else str(rank)
        rows.append((name, f"{l2:.8f}", words.accuracy(reported), *at_same, *at_rank))
    head = ("rank", "reported λ", "reported", "ours", "its rank", "our λ of that rank", "ours")
    return Table("Coarse search: validation accuracies by rank", head, tuple(rows))


def fine(search: Search) -> Table:
    """The best λ of the fine search against the next best and λ = 0."""
    means = search.fine.mean(axis=1).sort_values(ascending=False, kind="stable")
    others = [float(l2) for l2 in means.index[1:LONGEST]]
    rows = [(words.strength(search.best), words.accuracy(means.iloc[0]), "the best")]
    rows += [
        (words.strength(l2), words.accuracy(means[l2]), words.difference(search.gain_over(l2)))
        for l2 in others
    ]
    if len(search.none):
        none = words.accuracy(search.none.mean())
        rows.append(("0", none, words.difference(search.gain_over(0))))
    head = ("λ", "validation accuracy", "the best one's lead over it")
    return Table("Fine search: the best λ and λ = 0, means over seeds", head, tuple(rows))
