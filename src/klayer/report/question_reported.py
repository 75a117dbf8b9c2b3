"""Are the reported numbers reproduced? Each beside our runs, and all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from klayer.report import words
from klayer.report.charts import draw_seeds
from klayer.report.comparison import comparable, normalises, other_images, unlike
from klayer.report.document import Block, Figure, Key, Panel, Section, Table, Text
from klayer.report.drawing import BLUE, INK, ORANGE
from klayer.report.evidence import Evidence, Run
from klayer.report.reference import BEST, CHANCE, RUNS, Reported
from klayer.report.statistics import EQUAL, Estimate, Values, estimate, rank, signs
from klayer.report.verdicts import NO_COMMON, NO_SCATTER, ONE_SEED, Answer, judge, unjudged

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
    "chance alone one number in twenty falls outside. The report trained one network a number. A "
    "network learns nothing when it diverged, or when the 95 % interval of its accuracy on "
    "training images reaches down to a guess's."
)
Compared = tuple[Reported, Run]


def section(evidence: Evidence) -> Section:
    """The joint answer, the table of test accuracies, its picture, and the rows at chance."""
    images = other_images(evidence)
    rows = [_row(row, evidence, bool(images)) for row in (*RUNS, BEST)]
    table = Table("Test accuracy, reported and ours", HEAD, rows, SOURCE)
    if images:
        why = f"The images are {images}, so nothing can be said about the reported numbers."
        return Section("numbers", TITLE, why, (table,))
    pairs = [(row, run) for row in (*RUNS, BEST) if (run := comparable(row, evidence))]
    learning = [(row, run) for row, run in pairs if row.learns]
    said = (_joint(evidence, learning), _chance(pairs), _others(evidence))
    blocks: list[Block] = [table, Text(EXPLANATION)]
    if learning:
        blocks.append(_figure(learning))
    if len(learning) > 1 and learning[-1][0] is BEST:
        blocks.append(Text(_without_best(answer(evidence, RUNS))))
    return Section("numbers", TITLE, " ".join(filter(None, said)), blocks)


def answer(evidence: Evidence, reported: Iterable[Reported] = (*RUNS, BEST)) -> Answer | None:
    """The joint verdict over all rows that learn and are the report's experiment.

    None when there is no such row; without an estimate when their seeds have none in common.
    """
    rows = [row for row in reported if row.learns and comparable(row, evidence)]
    table = evidence.table([row.run for row in rows])
    if table is None:
        return Answer("reported", unjudged(NO_COMMON), None) if rows else None
    values = table.to_numpy(np.float64)
    target = float(np.mean([row.test_accuracy for row in rows]))
    mean, error = _difference(values, target)
    deviation = estimate(values.mean(axis=1)).deviation
    away = Estimate(float(mean), deviation, len(values), float(error))
    verdict = judge(
        values, lambda v: signs(*_difference(v, target), v.shape[-2]), WORDS, away.scatters
    )
    return Answer("reported", verdict, away)


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


def _joint(evidence: Evidence, learning: Sequence[Compared]) -> str:
    joint = answer(evidence)
    if joint is None:
        there = any(row.learns and row.run in evidence.runs for row in (*RUNS, BEST))
        return (
            "Not compared: no run that learns in the report is trained as there."
            if there
            else "None of the reported runs that learn was repeated."
        )
    away = joint.estimate
    if away is None:
        within = _within(learning)
        why = f"{joint.verdict}, so the runs that learn are not judged together"
        return f"{why[0].upper()}{why[1:]}. {within[0].upper()}{within[1:]}"
    by = words.points(abs(away.mean), sign=False)
    every = sum(row.learns for row in (*RUNS, BEST))
    compared = f"Of the {every} numbers, for the {len(learning)} that can be compared"
    whole = "As a whole" if len(learning) == every else compared
    opening = joint.verdict.opening(
        {
            "lower": f"Ours are systematically lower by {by} points",
            "higher": f"Ours are systematically higher by {by} points",
            "no difference": f"{whole}, yes: no systematic difference",
        }
    )
    p = f", {words.probability(away.probability)}" if away.probability is not None else ""
    numbers = words.count(len(learning), "number")
    over = f"over the {numbers} of runs that learn, ours less reported is {words.difference(away)}"
    return f"{opening}{over}{p}; {_within(learning)}"


def _within(learning: Sequence[Compared]) -> str:
    """How many reported numbers our predictions hold."""
    held = [h for row, run in learning if (h := _held(row, run)) is not None]
    without = len(learning) - len(held)
    reasons = " or ".join(dict.fromkeys(_why_not(run) for _, run in learning if _why_not(run)))
    if not held:
        return f"whether they lie within our 95 % predictions is {unjudged(reasons)}."
    rest = f" ({without} without a prediction: {reasons})" if without else ""
    lie = "lies" if len(held) == 1 else "lie"
    return f"{sum(held)} of {len(held)} {lie} within our 95 % predictions{rest}."


def _held(row: Reported, run: Run) -> bool | None:
    """Whether the prediction of one more run holds the number; None where there is none."""
    predicted = estimate(run.test_accuracy).prediction
    if predicted is None:
        return None
    return predicted[0] - EQUAL <= row.test_accuracy <= predicted[1] + EQUAL


def _why_not(run: Run) -> str:
    """Why there is no prediction of one more run."""
    if len(run.seeds) < 2:
        return ONE_SEED
    return "" if estimate(run.test_accuracy).scatters else NO_SCATTER


def _chance(pairs: Iterable[Compared]) -> str:
    """The rows at chance, as counts."""
    at_chance = [(row, run) for row, run in pairs if not row.learns]
    said = [
        f"{run.failed} of {len(run.seeds)} ({row.title}{_as_reported(run)})"
        for row, run in at_chance
    ]
    if not said:
        return ""
    rule = "as reported means more than half"
    counted = any(len(run.seeds) > 1 for _, run in at_chance)
    told = f"Of the rows at chance in the report, ours learn nothing in {', '.join(said)}"
    return f"{told}; {rule}." if counted else f"{told}."


def _as_reported(run: Run) -> str:
    if len(run.seeds) < 2:
        return f", {unjudged(ONE_SEED)}"
    return f": {'' if 2 * run.failed > len(run.seeds) else 'not '}as reported"


def _others(evidence: Evidence) -> str:
    """The runs that have a name of the report's and are trained in another way."""
    told = [
        f"{row.title} ({other})"
        for row in (*RUNS, BEST)
        if (run := evidence.runs.get(row.run)) and (other := unlike(row, run.settings))
    ]
    return f"Not the report's experiment, so not compared: {'; '.join(told)}." if told else ""


def _without_best(joint: Answer | None) -> str:
    start = "Without the best λ, whose schedule is a question of its own, ours less reported is"
    if joint is None or joint.estimate is None:
        return f"{start} {words.difference(None)}."
    return f"{start} {words.difference(joint.estimate)}."


def _row(row: Reported, evidence: Evidence, other: bool) -> tuple[str, ...]:
    run = evidence.runs.get(row.run)
    start: tuple[str, ...] = (row.title, words.accuracy(row.test_accuracy))
    if run is None:
        return (*start, "not run", "", "", "", "")
    ours = estimate(run.test_accuracy)
    start = (*start, words.spread(ours), str(ours.count))
    if other:
        return (*start, "", "", "not comparable")
    if differs := unlike(row, run.settings):
        return (*start, "", "", f"not the report's experiment: {differs}")
    held = {True: "yes", False: "no", None: str(unjudged(_why_not(run)))}[_held(row, run)]
    if not row.learns:
        held = f"{run.failed} of {ours.count} {'learns' if ours.count == 1 else 'learn'} nothing"
    away = words.points(ours.mean - row.test_accuracy)
    of_all = f"{rank(row.test_accuracy, run.test_accuracy):g} of {ours.count}"
    return (*start, away, of_all, held)


def _figure(rows: Sequence[Compared]) -> Figure:
    legend = [Key("reported, one run", INK, "D")]
    with_bn = [run for _, run in rows if normalises(run.settings)]
    interval = any(not _why_not(run) for _, run in rows)
    each = ": each seed, mean with 95 % interval" if interval else ": each seed"
    if with_bn:
        legend.append(Key(f"ours with BN{each}", BLUE, "o"))
    if len(with_bn) < len(rows):
        legend.append(Key(f"ours without BN{'' if with_bn else each}", ORANGE, "o"))
    caption = "Ours less reported, of the runs that learn."
    if interval:
        caption += " Thin line: one more run would lie there."
    if lacking := list(dict.fromkeys(why for _, run in rows if (why := _why_not(run)))):
        caption += f" Without a line: {unjudged(' or '.join(lacking))}."
    height = 0.9 + 0.33 * len(rows)
    panel = Panel("Test accuracy", partial(_draw, rows=rows), left=1.75, height=height)
    return Figure("comparison", caption, (panel,), legend, wide=True, source=SOURCE)


def _draw(axes: Axes, rows: Sequence[Compared]) -> None:
    seeds = {}
    for place, (reported, run) in enumerate(rows):
        colour = BLUE if normalises(run.settings) else ORANGE
        away = 100 * (run.test_accuracy - reported.test_accuracy)
        seeds[reported.title] = (away, colour, colour)
        axes.plot(0, place, "D", mfc="white", color=INK, ms=7, zorder=1.9)
        if more := estimate(away).prediction:
            axes.plot(more, [place + 0.2] * 2, color=colour, lw=0.8, zorder=1.9)
    draw_seeds(axes, seeds, thickness=3)
    axes.set_xlabel(f"ours less reported (points); rows at chance ({100 * CHANCE:.0f} %) left out")
