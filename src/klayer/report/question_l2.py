"""Does λ matter beyond luck? What the search, coarse and fine, can tell."""

from __future__ import annotations

import numpy as np

from klayer.report import l2_tables, words
from klayer.report.document import Block, Section, Text
from klayer.report.evidence import Evidence
from klayer.report.l2_chart import search_figure
from klayer.report.l2_search import Search, search
from klayer.report.reference import RANKING
from klayer.report.statistics import (
    Estimate,
    mean_rank_correlation,
    rank_correlation,
    same_for_all,
    scatter_beyond,
)
from klayer.report.words import CERTAIN


def section(evidence: Evidence) -> Section:
    """The best λ against its neighbours and λ = 0, and how stable the ranking is."""
    found = search(evidence)
    texts = [_scatter(found), _neighbours(found), _stability(found)]
    tables = [l2_tables.fine(found)]
    if not evidence.synthetic:
        texts.append(_as_reported(found))
        tables.append(l2_tables.ranking(found))
    figure = search_figure(found, evidence.synthetic)
    blocks: tuple[Block, ...] = (figure, *(Text(text) for text in texts), *tables)
    return Section("l2", "Does λ matter beyond luck?", _answer(found), blocks)


def _answer(found: Search) -> str:
    best, others = words.strength(found.best), len(found.fine) - 1
    gain, of_all = found.gain_over(0), found.gain_of_all()
    if gain is None or of_all is None:
        return f"Not answered for the best λ, {best}: λ = 0 was not trained with the same seeds."
    return (
        f"{_verdict(gain, of_all)}: the best λ, {best}, is ahead of λ = 0 by "
        f"{words.difference(gain)}, which favours it as the same numbers chose it; the mean of all "
        f"fine values is ahead by {words.difference(of_all)}. The best cannot be told from "
        f"{_not_told_apart(found)} of the {others} other fine values."
    )


def _verdict(gain: Estimate, of_all: Estimate) -> str:
    if gain.count < 2:
        return "One seed cannot show it"
    if of_all.sign:
        return "Against no L2 at all, yes" if of_all.sign > 0 else "No L2 at all is better"
    return "Not beyond doubt" if gain.sign > 0 else "Not shown"


def _not_told_apart(found: Search) -> int:
    gains = [found.gain_over(l2) for l2 in found.fine.index if l2 != found.best]
    return sum(gain is None or gain.sign <= 0 for gain in gains)


def _scatter(found: Search) -> str:
    if found.noise is None:
        return (
            "The fine search has one seed or one λ, so it is not known how much luck moves an "
            "accuracy: no difference between values of λ can be judged."
        )
    std, freedom = found.noise
    scatter = float(found.coarse.std()) if len(found.coarse) > 1 else 0.0
    text = (
        f"Noise: a λ trained again scatters by {words.points(std, sign=False)} points (standard "
        f"deviation without what seeds have in common); the {len(found.coarse)} coarse values "
        f"scatter by {words.points(scatter, sign=False)} points"
    )
    chance = scatter_beyond(found.coarse.tolist(), std, freedom)
    if chance is None:
        return f"{text}."
    more = "more than luck explains" if chance < CERTAIN else "no more than luck explains"
    return f"{text}, {more} (F test, {words.probability(chance)})."


def _neighbours(found: Search) -> str:
    gains = [(l2, found.gain_over(l2)) for l2 in found.neighbours()]
    said = [f"λ = {words.strength(l2)} by {words.difference(gain)}" for l2, gain in gains]
    beaten = sum(gain is not None and gain.sign > 0 for _, gain in gains)
    text = f"Neighbours: the best λ leads {' and '.join(said)}; {beaten} of its {len(gains)} "
    text = f"{text}neighbours beaten beyond luck." if said else "The best λ has no neighbours."
    chance = same_for_all(found.fine.to_numpy(np.float64))
    if chance is None:
        return text
    differ = "differ" if chance < CERTAIN else "are not shown to differ"
    return f"{text} All fine values together {differ} (Friedman test, {words.probability(chance)})."


def _stability(found: Search) -> str:
    of_seeds = mean_rank_correlation(found.fine.to_numpy(np.float64))
    both = found.coarse_at_fine()
    of_phases = rank_correlation(both["coarse"], both["fine"])
    return (
        "Ranking (Spearman's correlation, 1 for the same order, 0 for none): between seeds of the "
        f"fine search {_order(of_seeds)}, between the coarse search, interpolated, and the fine "
        f"one {_order(of_phases)}."
    )


def _as_reported(found: Search) -> str:
    pairs = [(l2_tables.nearest(found, l2), accuracy) for l2, accuracy in RANKING]
    tried = [(found.coarse[l2], accuracy) for l2, accuracy in pairs if l2 is not None]
    correlation = rank_correlation([a for a, _ in tried], [b for _, b in tried]) if tried else None
    text = (
        f"The report's ranking of its ten best λ against ours at the {len(tried)} of them that we "
        f"tried: {_order(correlation)}."
    )
    if not tried:
        return text
    away = words.points(float(np.mean([ours - reported for ours, reported in tried])))
    return f"{text} Our accuracies there differ from the reported ones by {away} points on average."


def _order(correlation: float | None) -> str:
    if correlation is None:
        return "not known (too few values, or all equal)"
    return f"{correlation:.2f}".replace("-", "\N{MINUS SIGN}")
