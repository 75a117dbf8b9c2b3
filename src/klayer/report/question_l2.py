"""Does λ matter beyond luck? What the search, coarse and fine, can tell."""

from __future__ import annotations

import numpy as np

from klayer.report import l2_tables, words
from klayer.report.document import Block, Section, Text
from klayer.report.evidence import Evidence
from klayer.report.l2_chart import search_figure
from klayer.report.l2_search import Search, answer, search
from klayer.report.reference import RANKING

TITLE = "Does λ matter beyond luck?"


def section(evidence: Evidence) -> Section:
    """The best λ against all others, λ = 0 among them."""
    found, judged = search(evidence.study), answer(evidence.study)
    best = float(evidence.search["best_l2"])
    if found is None or judged is None:
        why = f"Not answered for the best λ, {words.l2(best)}: it takes λ = 0 and two seeds."
        return Section("l2", TITLE, why, ())
    texts = [_noise(found), _one_comparison(found), _resolution(found)]
    tables = [l2_tables.fine(found, best)]
    if not evidence.synthetic:
        texts.append(_as_reported(found))
        tables.append(l2_tables.ranking(found))
    figure = search_figure(found, best, evidence.synthetic)
    blocks: tuple[Block, ...] = (figure, *(Text(text) for text in texts), *tables)
    said = {
        "L2 helps": "Yes: λ = 0 is not among the values that may be the best",
        "L2 harms": "No L2 at all is better: no λ > 0 may be the best",
        "no difference": "Not beyond luck: λ = 0 is among the values that may be the best",
    }[judged.verdict.direction]
    may = len(found.candidates)
    text = (
        f"{said} ({judged.verdict}). The search's best, λ = {words.l2(best)}, is one of {may} of "
        f"{len(found.fine)} values that may be the best (Hsu's comparison, 95 % for all at once)."
    )
    return Section("l2", TITLE, text, blocks)


def _noise(found: Search) -> str:
    scatter = words.points(float(found.coarse.std()), sign=False)
    return (
        f"Noise: a λ trained with another seed scatters by {words.points(found.noise, sign=False)} "
        f"points (standard deviation, without what the values of a seed have in common); the "
        f"{len(found.coarse)} coarse values scatter by {scatter} points."
    )


def _one_comparison(found: Search) -> str:
    gain = found.gain_of_all
    return (
        f"Without any choice: the mean of the {len(found.fine) - 1} fine values is ahead of λ = 0 "
        f"by {words.points(gain.mean)} points (95 % interval {words.between(gain.interval)})."
    )


def _resolution(found: Search) -> str:
    return (
        f"A value is told from the best when its mean lies {words.points(found.width, sign=False)} "
        f"points lower. The smallest gain over all other values that this search would see in 80 % "
        f"of cases is {words.points(found.smallest_gain, sign=False)} points."
    )


def _as_reported(found: Search) -> str:
    pairs = [(l2_tables.nearest(found, l2), accuracy) for l2, accuracy in RANKING]
    tried = [(found.coarse[l2], accuracy) for l2, accuracy in pairs if l2 is not None]
    if not tried:
        return "None of the report's ten best λ was tried."
    away = words.points(float(np.mean([ours - reported for ours, reported in tried])))
    return (
        f"At the {len(tried)} of the report's ten best λ that we tried our accuracies differ from "
        f"the reported ones by {away} points on average; theirs are the ten highest of 50."
    )
