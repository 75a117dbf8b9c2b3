"""Does λ matter beyond luck? What the search, coarse and fine, can tell."""

from __future__ import annotations

import numpy as np

from klayer.report import words
from klayer.report.document import Section, Table, Text
from klayer.report.evidence import Evidence
from klayer.report.l2_chart import SOURCE, search_figure
from klayer.report.l2_search import Search, answer, search
from klayer.report.reference import RANKING, WORST

TITLE = "Does λ matter beyond luck?"
SAID = {
    "L2 helps": "Yes: λ = 0 is not among the values that may be the best",
    "L2 harms": "No L2 at all is better: no λ > 0 may be the best",
    "no difference": "Not beyond luck: λ = 0 is among the values that may be the best",
}
SAME = 0.1  # decades: the report gives 8 decimals, so its smallest λ are known by one digit only


def section(evidence: Evidence) -> Section:
    """The best λ against all others, λ = 0 among them."""
    found, judged = search(evidence.search_runs), answer(evidence.search_runs)
    best = float(evidence.search["best_l2"])
    if found is None or judged is None:
        why = f"Not answered for the best λ, {words.l2(best)}: it takes λ = 0 and two seeds."
        return Section("l2", TITLE, why)
    texts, tables = _what_it_tells(found), [_fine(found, best)]
    if not evidence.synthetic:
        texts.append(_as_reported(found))
        tables.append(_ranking(found))
    figure = search_figure(found, best, evidence.synthetic)
    said = (
        f"{SAID[judged.direction]} ({judged.verdict}). The search's best, λ = {words.l2(best)}, is "
        f"one of {len(found.candidates)} of {len(found.fine)} values that may be the best (Hsu's "
        "comparison, 95 % for all at once)."
    )
    return Section("l2", TITLE, said, (figure, *(Text(text) for text in texts), *tables))


def _what_it_tells(found: Search) -> list[str]:
    noise, scatter, width, smallest = (
        words.points(value, sign=False)
        for value in (found.noise, found.coarse.std(), found.width, found.smallest_gain)
    )
    gain = found.gain_of_all
    return [
        f"Noise: a λ trained with another seed scatters by {noise} points (standard deviation, "
        f"without what the values of a seed have in common); the {len(found.coarse)} coarse values "
        f"scatter by {scatter} points.",
        f"Without any choice: the mean of the {len(found.fine) - 1} fine values is ahead of λ = 0 "
        f"by {words.points(gain.mean)} points (95 % interval {words.between(gain.interval)}).",
        f"A value is told from the best when its mean lies {width} points lower. The smallest gain "
        f"over all other values that this search would see in 80 % of cases is {smallest} points.",
    ]


def _as_reported(found: Search) -> str:
    pairs = [(_nearest(found, l2), accuracy) for l2, accuracy in RANKING]
    away = [found.coarse[l2] - accuracy for l2, accuracy in pairs if l2 is not None]
    if not away:
        return "None of the report's ten best λ was tried."
    return (
        f"At the {len(away)} of the report's ten best λ that we tried our accuracies differ from "
        f"the reported ones by {words.points(float(np.mean(away)))} points on average; theirs are "
        "the ten highest of 50."
    )


def _nearest(search: Search, l2: float) -> float | None:
    """The λ of the coarse search that a reported one means, None if it was not tried."""
    values = search.coarse.index.to_numpy(np.float64)
    away = np.abs(np.log10(values / l2))
    return float(values[away.argmin()]) if away.min() < SAME else None


def _ranking(search: Search) -> Table:
    """The ten best and the worst λ of the report, with ours at the same λ and at the same rank."""
    ordered = search.coarse.sort_values(ascending=False, kind="stable")
    values = ordered.index.to_numpy(np.float64)
    ranks = [*range(1, len(RANKING) + 1), len(ordered)]
    rows = []
    for rank, (l2, reported) in zip(ranks, (*RANKING, WORST), strict=True):
        at_same, at_rank = ("not tried", ""), ("", "")
        if (found := _nearest(search, l2)) is not None:
            place = int(np.flatnonzero(values == found)[0]) + 1
            at_same = (words.accuracy(ordered[found]), f"{place} of {len(ordered)}")
        if rank <= len(ordered):
            at_rank = (words.l2(values[rank - 1]), words.accuracy(ordered.iloc[rank - 1]))
        name = "worst" if l2 == WORST[0] else str(rank)
        rows.append((name, f"{l2:.8f}", words.accuracy(reported), *at_same, *at_rank))
    head = ("rank", "reported λ", "reported", "ours", "its rank", "our λ of that rank", "ours")
    return Table("Coarse search: validation accuracies by rank", head, rows, SOURCE)


def _fine(search: Search, best: float) -> Table:
    """Every value of the fine search and λ = 0, the highest mean first."""
    means = search.means.sort_values(ascending=False, kind="stable")
    may = search.candidates
    rows = [
        (
            words.l2(l2) + (" (chosen)" if np.isclose(l2, best) else ""),
            words.accuracy(mean),
            words.points(mean - means.iloc[0]),
            "yes" if l2 in may else "no",
        )
        for l2, mean in zip(means.index.to_numpy(np.float64), means, strict=True)
    ]
    head = ("λ", "validation accuracy", "below the highest (points)", "may be the best")
    return Table("Fine search and λ = 0, means over seeds", head, rows, SOURCE)
