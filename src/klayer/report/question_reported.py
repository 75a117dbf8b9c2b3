"""Are the reported numbers reproduced? Each beside our runs, and all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from klayer.report import words
from klayer.report.charts import draw_seeds
from klayer.report.document import Figure, Key, Panel, Section, Table, Text
from klayer.report.drawing import BLUE, INK, ORANGE
from klayer.report.evidence import Evidence, Run
from klayer.report.reference import BEST, CHANCE, RUNS, Reported
from klayer.report.statistics import Estimate, Values, estimate, rank, signs
from klayer.report.verdicts import Answer, judge

TITLE = "Are the reported numbers reproduced?"
HEAD = (
    "run",
    "reported",
    "ours (mean ± std)",
    "seeds",
    "ours less reported",
    "rank",
    "within 95 %",
)
WORDS = {0: "no difference", 1: "higher", -1: "lower"}
SOURCE = "plots/seeds/NAME.csv · stages train, train_best · dvc repro train train_best"
EXPLANATION = (
    "Differences are in points (0.01). Rank: how many of our runs lie below the reported number. "
    "“Within 95 %”: one more run of ours would lie as far away (95 % prediction over seeds); by "
    "chance alone one number in twenty falls outside. The report trained one network a number."
)
Compared = tuple[Reported, Run]


def section(evidence: Evidence) -> Section:
    """The joint answer, the table of test accuracies, its picture, and the rows at chance."""
    rows = [_row(row, evidence.runs.get(row.run), evidence.synthetic) for row in (*RUNS, BEST)]
    table = Table("Test accuracy, reported and ours", HEAD, rows, SOURCE)
    if evidence.synthetic:
        why = "The images are synthetic, so nothing can be said about the reported numbers."
        return Section("numbers", TITLE, why, (table,))
    pairs = [(row, evidence.runs[row.run]) for row in (*RUNS, BEST) if row.run in evidence.runs]
    learning = [(row, run) for row, run in pairs if row.learns]
    said = _answer(answer(evidence), learning, _chance(pairs))
    texts = Text(EXPLANATION), Text(_without_best(evidence))
    return Section("numbers", TITLE, said, (table, texts[0], _figure(learning), texts[1]))


def answer(evidence: Evidence, reported: Iterable[Reported] = (*RUNS, BEST)) -> Answer | None:
    """The joint verdict over all rows that learn, None when no row was run."""
    rows = [row for row in reported if row.learns and row.run in evidence.runs]
    table = evidence.table([row.run for row in rows])
    if table is None:
        return None
    values = table.to_numpy(np.float64)
    target = float(np.mean([row.test_accuracy for row in rows]))
    verdict = judge(values, lambda v: signs(*_difference(v, target), v.shape[-2]), WORDS)
    mean, error = _difference(values, target)
    deviation = estimate(values.mean(axis=1)).deviation
    return Answer("reported", verdict, Estimate(float(mean), deviation, len(values), float(error)))


def _difference(tables: Values, target: float) -> tuple[Values, Values]:
    """D and its standard error, of tables (..., n seeds, R rows): what the seeds of all rows have
    in common, and the scatter of the report's own single runs, taken to be ours.
    """
    count, rows = tables.shape[-2:]
    difference = tables.mean(axis=(-2, -1)) - target
    if count < 2:
        return difference, np.zeros(tables.shape[:-2])
    shared = tables.mean(axis=-1).var(axis=-1, ddof=1) / count
    single = tables.var(axis=-2, ddof=1).sum(axis=-1) / rows**2
    return difference, np.sqrt(shared + single)


def _answer(joint: Answer | None, learning: Sequence[Compared], chance: str) -> str:
    if joint is None or joint.estimate is None:
        return "None of the reported runs that learn was repeated."
    away = joint.estimate
    said = (
        f"Ours are systematically {joint.direction} by {words.points(abs(away.mean), sign=False)} "
        "points"
        if joint.verdict.difference
        else "As a whole, yes: no systematic difference"
    )
    p = f", {words.probability(away.probability)}" if away.probability is not None else ""
    return (
        f"{said} ({joint.verdict}): over the {len(learning)} numbers of runs that learn, ours less "
        f"reported is {words.difference(away)}{p}; {sum(_held(*pair) for pair in learning)} of "
        f"{len(learning)} lie within our 95 % predictions. {chance}"
    )


def _held(row: Reported, run: Run) -> bool:
    low, high = estimate(run.test_accuracy).prediction or (np.nan, np.nan)
    return bool(low <= row.test_accuracy <= high)


def _chance(pairs: Iterable[Compared]) -> str:
    """The rows at chance, as counts."""
    said = [
        f"{run.failed} of {len(run.seeds)} ({row.title}: "
        f"{'' if 2 * run.failed > len(run.seeds) else 'not '}as reported)"
        for row, run in pairs
        if not row.learns
    ]
    if not said:
        return ""
    return (
        f"Of the rows at chance in the report, ours learn nothing in {', '.join(said)}; as "
        "reported means more than half."
    )


def _without_best(evidence: Evidence) -> str:
    joint = answer(evidence, RUNS)
    if joint is None:
        return "Without the best λ there is no number to compare."
    return (
        "Without the best λ, whose schedule is a question of its own, ours less reported is "
        f"{words.difference(joint.estimate)}."
    )


def _row(row: Reported, run: Run | None, synthetic: bool) -> tuple[str, ...]:
    start: tuple[str, ...] = (row.title, words.accuracy(row.test_accuracy))
    if run is None:
        return (*start, "not run", "", "", "", "")
    ours = estimate(run.test_accuracy)
    start = (*start, words.spread(ours), str(ours.count))
    if synthetic:
        return (*start, "", "", "not comparable")
    held = "yes" if _held(row, run) else "no"
    if not row.learns:
        held = f"{run.failed} of {ours.count} learn nothing"
    away = words.points(ours.mean - row.test_accuracy)
    of_all = f"{rank(row.test_accuracy, run.test_accuracy):g} of {ours.count}"
    return (*start, away, of_all, held)


def _figure(rows: Sequence[Compared]) -> Figure:
    legend = (
        Key("reported, one run", INK, "D"),
        Key("ours with BN: each seed, mean with 95 % interval", BLUE, "o"),
        Key("ours without BN", ORANGE, "o"),
    )
    caption = "Ours less reported, of the runs that learn. Thin line: one more run would lie there."
    height = 0.9 + 0.33 * max(len(rows), 1)
    panel = Panel("Test accuracy", partial(_draw, rows=rows), left=1.75, height=height)
    return Figure("comparison", caption, (panel,), legend, wide=True, source=SOURCE)


def _draw(axes: Axes, rows: Sequence[Compared]) -> None:
    seeds = {}
    for place, (reported, run) in enumerate(rows):
        colour = BLUE if "batch_norm" in run.settings["block"] else ORANGE
        away = 100 * (run.test_accuracy - reported.test_accuracy)
        seeds[reported.title] = (away, colour, colour)
        axes.plot(0, place, "D", mfc="white", color=INK, ms=7, zorder=1.9)
        if more := estimate(away).prediction:
            axes.plot(more, [place + 0.2] * 2, color=colour, lw=0.8, zorder=1.9)
    draw_seeds(axes, seeds, thickness=3)
    axes.set_xlabel(f"ours less reported (points); rows at chance ({100 * CHANCE:.0f} %) left out")
