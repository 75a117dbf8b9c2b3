"""Are the reported numbers reproduced? Each beside our runs, and all of them together."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from klayer.report import words
from klayer.report.document import Block, Figure, Key, Panel, Section, Table, Text
from klayer.report.drawing import BLUE, INK, ORANGE
from klayer.report.evidence import Evidence, Run, Study
from klayer.report.reference import BEST, CHANCE, RUNS, Reported
from klayer.report.statistics import Estimate, Values, estimate, rank, signs
from klayer.report.verdicts import Answer, judge

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


def section(evidence: Evidence) -> Section:
    """The joint answer, the table of test accuracies, its picture, and the rows at chance."""
    pairs = [(row, evidence.runs.get(row.run)) for row in (*RUNS, BEST)]
    blocks: list[Block] = [_table(pairs, evidence.synthetic)]
    title = "Are the reported numbers reproduced?"
    if evidence.synthetic:
        answer = "The images are synthetic, so nothing can be said about the reported numbers."
        return Section("numbers", title, answer, tuple(blocks))
    blocks += [Text(EXPLANATION), _figure(pairs), Text(_without_best(evidence.study))]
    return Section("numbers", title, _answer(evidence), tuple(blocks))


def answer(study: Study) -> Answer | None:
    """The joint verdict over all rows that learn, None when no row was run."""
    return _joint(study, (*RUNS, BEST))


def _joint(study: Study, reported: tuple[Reported, ...]) -> Answer | None:
    rows = [row for row in reported if row.learns and row.run in study.seeds]
    table = study.table([row.run for row in rows])
    if table is None:
        return None
    values = table.to_numpy(np.float64)
    target = float(np.mean([row.test_accuracy for row in rows]))
    verdict = judge(values, lambda tables: _directions(tables, target), WORDS)
    mean, error = _difference(values, target)
    count = len(values)
    deviation = float(values.mean(axis=1).std(ddof=1)) if count > 1 else 0.0
    return Answer("reported", verdict, Estimate(float(mean), deviation, count, float(error)))


def _difference(tables: Values, target: float) -> tuple[Values, Values]:
    """D and its standard error, of tables (..., n seeds, R rows): what the seeds of all rows have
    in common, and the scatter of the report's own single runs, taken to be ours.
    """
    count, rows = tables.shape[-2:]
    if count < 2:
        return tables.mean(axis=(-2, -1)) - target, np.zeros(tables.shape[:-2])
    shared = tables.mean(axis=-1).var(axis=-1, ddof=1) / count
    single = tables.var(axis=-2, ddof=1).sum(axis=-1) / rows**2
    return tables.mean(axis=(-2, -1)) - target, np.sqrt(shared + single)


def _directions(tables: Values, target: float) -> np.ndarray:
    return signs(*_difference(tables, target), tables.shape[-2])


def _answer(evidence: Evidence) -> str:
    joint = answer(evidence.study)
    if joint is None or joint.estimate is None:
        return "None of the reported runs that learn was repeated."
    away = joint.estimate
    rows = sum(row.learns and row.run in evidence.runs for row in (*RUNS, BEST))
    size = words.points(abs(away.mean), sign=False)
    said = {
        "higher": f"Ours are systematically higher by {size} points",
        "lower": f"Ours are systematically lower by {size} points",
        "no difference": "As a whole, yes: no systematic difference",
    }[joint.verdict.direction]
    p = f", {words.probability(away.probability)}" if away.probability is not None else ""
    held = [h for row in (*RUNS, BEST) if (h := _held(row, evidence.runs.get(row.run))) is not None]
    return (
        f"{said} ({joint.verdict}): over the {rows} numbers of runs that learn, ours less reported "
        f"is {words.difference(away)}{p}; {sum(held)} of {len(held)} lie within our 95 % "
        f"predictions. {_chance(evidence)}"
    )


def _held(row: Reported, run: Run | None) -> bool | None:
    if run is None or not row.learns:
        return None
    low, high = estimate(run.test_accuracy).prediction or (np.nan, np.nan)
    return bool(low <= row.test_accuracy <= high)


def _chance(evidence: Evidence) -> str:
    """The rows at chance, as counts."""
    found = [(row, evidence.runs[row.run]) for row in RUNS if row.run in evidence.runs]
    said = [
        f"{run.failed} of {len(run.seeds)} ({row.title}: "
        f"{'' if 2 * run.failed > len(run.seeds) else 'not '}as reported)"
        for row, run in found
        if not row.learns
    ]
    if not said:
        return ""
    return (
        f"Of the rows at chance in the report, ours learn nothing in {', '.join(said)}; as "
        "reported means more than half."
    )


def _without_best(study: Study) -> str:
    joint = _joint(study, RUNS)
    if joint is None or joint.estimate is None:
        return "Without the best λ there is no number to compare."
    return (
        "Without the best λ, whose schedule is a question of its own, ours less reported is "
        f"{words.difference(joint.estimate)}."
    )


def _table(pairs: list[tuple[Reported, Run | None]], synthetic: bool) -> Table:
    rows = tuple(_row(row, run, synthetic) for row, run in pairs)
    return Table("Test accuracy, reported and ours", HEAD, rows, SOURCE)


def _row(row: Reported, run: Run | None, synthetic: bool) -> tuple[str, ...]:
    start = (row.title, words.accuracy(row.test_accuracy))
    if run is None:
        return (*start, "not run", "", "", "", "")
    ours = estimate(run.test_accuracy)
    if synthetic:
        return (*start, words.spread(ours), str(ours.count), "", "", "not comparable")
    if not row.learns:
        held = f"{run.failed} of {ours.count} learn nothing"
    else:
        held = {True: "yes", False: "no", None: ""}[_held(row, run)]
    away = words.points(ours.mean - row.test_accuracy)
    of_all = f"{rank(row.test_accuracy, run.test_accuracy):g} of {ours.count}"
    return (*start, words.spread(ours), str(ours.count), away, of_all, held)


def _figure(pairs: list[tuple[Reported, Run | None]]) -> Figure:
    rows = [(row, run) for row, run in pairs if row.learns and run is not None]
    legend = (
        Key("reported, one run", INK, "D"),
        Key("ours with BN: each seed, mean with 95 % interval", BLUE, "o"),
        Key("ours without BN", ORANGE, "o"),
    )
    caption = "Ours less reported, of the runs that learn. Thin line: one more run would lie there."
    height = 0.9 + 0.33 * max(len(rows), 1)
    panel = Panel("Test accuracy", lambda axes: _draw(axes, rows), left=1.75, height=height)
    return Figure("comparison", caption, (panel,), legend, wide=True, source=SOURCE)


def _draw(axes: Axes, rows: list[tuple[Reported, Run]]) -> None:
    axes.axvline(0, color=INK, lw=1, alpha=0.6)
    for place, (reported, run) in enumerate(rows):
        colour = BLUE if run.normalised else ORANGE
        away = 100 * (run.test_accuracy - reported.test_accuracy)
        ours = estimate(away)
        axes.plot(0, place, "D", mfc="white", color=INK, ms=7)
        axes.plot(away, [place] * len(away), "o", color=colour, ms=3.5, alpha=0.45)
        if ours.interval and ours.prediction:
            axes.plot(ours.prediction, [place + 0.2] * 2, color=colour, lw=0.8)
            axes.plot(ours.interval, [place + 0.2] * 2, color=colour, lw=3, solid_capstyle="butt")
        axes.plot(ours.mean, place + 0.2, "|", color=colour, ms=10, mew=2)
    axes.set_yticks(range(len(rows)), [reported.title for reported, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"ours less reported (points); rows at chance ({100 * CHANCE:.0f} %) left out")
