"""Does λ matter beyond luck? What the search, coarse and fine, can tell."""

from __future__ import annotations

import numpy as np

from klayer.report import words
from klayer.report.comparison import network, other_images, unlike
from klayer.report.document import Block, Section, Table, Text
from klayer.report.evidence import Evidence
from klayer.report.l2_chart import SOURCE, search_figure
from klayer.report.l2_search import Search, answer, search
from klayer.report.reference import BEST, RANKING, WORST
from klayer.report.statistics import EQUAL
from klayer.report.verdicts import Answer

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
        why = f"Not judged: {judged.verdict.word};" if judged else "Not answered:"
        return Section("l2", TITLE, f"{why} it takes λ = 0 and two seeds. {_best(best)}.")
    reported = not other_images(evidence) and not unlike(BEST, evidence.searching)
    texts, tables = _what_it_tells(found), [_fine(found, best)]
    if len(found.coarse) > 1 and np.ptp(found.coarse) <= EQUAL:
        texts.append(f"All {len(found.coarse)} coarse values gave the same accuracy.")
    elif reported:
        texts.append(_as_reported(found))
        tables.append(_ranking(found))
    elif not other_images(evidence):
        other = unlike(BEST, evidence.searching)
        texts.append(f"Not the report's search, so not compared with its values: {other}.")
    figure = search_figure(found, best, network(evidence.searching), reported)
    blocks: tuple[Block, ...] = (figure, *(Text(text) for text in texts), *tables)
    return Section("l2", TITLE, _answer(found, judged, best), blocks)


def _best(best: float) -> str:
    return f"The search's best is λ = {words.l2(best)}"


def _answer(found: Search, judged: Answer, best: float) -> str:
    if not found.scatters:
        why = (
            f"all {len(found.fine)} values of λ gave the same accuracy, so there is nothing to "
            "tell apart"
            if found.equal
            else "the seeds do not scatter, so nothing tells a difference from luck"
        )
        return f"Not judged: {why}. {_best(best)}."
    may, said = found.candidates, judged.verdict.opening(SAID).removesuffix(": ")
    of_all = f"{len(may)} of {words.count(len(found.fine), 'value')}"
    among = f"one of {of_all}" if len(may) > 1 else f"the only one of {len(found.fine)} values"
    if not any(_same(l2, best) for l2 in may):
        among = f"not among the {of_all}"
    return (
        f"{said}. The search's best, λ = {words.l2(best)}, is {among} that may be the best "
        "(Hsu's comparison, 95 % for all at once)."
    )


def _same(l2: float, other: float) -> bool:
    """Values that tables of eight digits may hold for one λ."""
    return bool(np.isclose(l2, other, rtol=1e-6, atol=0))


def _what_it_tells(found: Search) -> list[str]:
    texts = []
    gain, values = found.gain_of_all, words.count(len(found.fine) - 1, "fine value")
    if found.scatters:
        noise = f"a λ trained with another seed scatters by {_points(found.noise)} points"
        text = (
            f"Noise: {noise} (standard deviation, without what the values of a seed have in common)"
        )
        if len(found.coarse) > 1:
            coarse = f"the {words.count(len(found.coarse), 'coarse value')}"
            text += f"; {coarse} scatter by {_points(found.coarse.std())} points"
        texts.append(f"{text}.")
    interval = f" (95 % interval {words.between(gain.interval)})" if gain.interval else ""
    mean = f"the mean of the {values}" if len(found.fine) > 2 else "the one fine value"
    ahead = "is ahead of" if gain.mean > EQUAL else "differs from"
    by = words.points(gain.mean)
    texts.append(f"Without any choice: {mean} {ahead} λ = 0 by {by} points{interval}.")
    if found.scatters:
        texts.append(
            f"A value is told from the best when its mean lies {_points(found.width)} points "
            "lower. The smallest gain over all other values that this search would see in 80 % of "
            f"cases is {_points(found.smallest_gain)} points."
        )
    return texts


def _points(value: float) -> str:
    return words.points(value, sign=False)


def _as_reported(found: Search) -> str:
    pairs = [(_nearest(found, l2), accuracy) for l2, accuracy in RANKING]
    away = [found.coarse[l2] - accuracy for l2, accuracy in pairs if l2 is not None]
    if not away:
        return "None of the report's ten best λ was tried."
    accuracies = "accuracies differ" if len(away) > 1 else "accuracy differs"
    mean = " on average" if len(away) > 1 else ""
    return (
        f"At the {len(away)} of the report's ten best λ that we tried our {accuracies} from "
        f"the reported {'ones' if mean else 'one'} by {words.points(float(np.mean(away)))} points"
        f"{mean}; theirs are the ten highest of 50."
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
    may = search.candidates if search.scatters else None
    rows = [
        (
            words.l2(l2) + (" (chosen)" if _same(l2, best) else ""),
            words.accuracy(mean),
            words.points(mean - means.iloc[0]),
            "not judged" if may is None else "yes" if l2 in may else "no",
        )
        for l2, mean in zip(means.index.to_numpy(np.float64), means, strict=True)
    ]
    head = ("λ", "validation accuracy", "below the highest (points)", "may be the best")
    return Table("Fine search and λ = 0, means over seeds", head, rows, SOURCE)
