"""Are the reported numbers reproduced? Each beside our runs, and all of them together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from klayer.report import words
from klayer.report.charts import Row, seeds_panel
from klayer.report.comparison import comparable, label, normalises, other_images, unlike
from klayer.report.document import Figure, Section, Table
from klayer.report.drawing import BLUE, ORANGE
from klayer.report.evidence import Evidence, Run
from klayer.report.page import question, unanswered
from klayer.report.reference import BEST, RUNS, Reported
from klayer.report.statistics import EQUAL, Estimate, Values, estimate, rank, signs
from klayer.report.verdicts import NO_COMMON, NOT_JUDGED, Verdict, judge

TITLE = "Are the reported numbers reproduced?"
ROWS = (*RUNS, BEST)
WORDS = {0: "no difference", 1: "higher", -1: "lower"}
SOURCE = "plots/seeds/NAME.csv · stages train, train_best · dvc repro train train_best"
HEAD = ("run", "reported (%)", "ours (%)", "seeds", "difference (points)", "rank", "within 95 %")
Compared = tuple[Reported, Run]


def section(evidence: Evidence) -> Section:
    """The joint answer, the table of test accuracies, its picture, and the rows at chance level."""
    if images := other_images(evidence):
        return unanswered("reported", TITLE, "Not compared", f"the images are {images}")
    pairs = [(row, run) for row in ROWS if (run := comparable(row, evidence))]
    learning = [(row, run) for row, run in pairs if row.learns]
    unlike_report = {
        _title(row): differs
        for row in ROWS
        if (run := evidence.runs.get(row.run)) and (differs := unlike(row, run.settings))
    }
    verdict = together(evidence)
    if verdict is None:
        why = "; ".join(f"{run}: {differs}" for run, differs in unlike_report.items())
        why = f"no run that learns is trained as in the report ({why})" if why else "none was run"
        return unanswered("reported", TITLE, "Not compared", why)
    rows = [_row(row, evidence) for row in ROWS]
    held = [held for row, run in learning if (held := _held(row, run)) is not None]
    return question(
        "reported",
        TITLE,
        verdict,
        blocks=[_figure(learning)],
        details=[Table("Test accuracy, reported and ours (mean ± std)", HEAD, rows, SOURCE)],
        count=len(learning),
        of_all=sum(row.learns for row in ROWS),
        held=held,
        at_chance=[(_title(row), run) for row, run in pairs if not row.learns],
        unlike=unlike_report,
        without_best=together(evidence, RUNS) if learning[-1][0] is BEST else None,
    )


def _title(row: Reported) -> str:
    return label(row.settings) + (", best λ" if row is BEST else "")


def together(evidence: Evidence, reported: Sequence[Reported] = ROWS) -> Verdict | None:
    """The joint verdict over all rows that learn and are the report's experiment, if any is."""
    rows = [row for row in reported if row.learns and comparable(row, evidence)]
    if not rows:
        return None
    table = evidence.table(*(row.run for row in rows))
    if not len(table):
        return Verdict("reported", NOT_JUDGED, why=NO_COMMON)
    target = float(np.mean([row.test_accuracy for row in rows]))
    mean, error = _difference(table, target)
    deviation = estimate(table.mean(axis=1)).deviation
    away = Estimate(float(mean), deviation, len(table), float(error))

    def direction(tables: Values) -> np.ndarray:
        return signs(*_difference(tables, target), tables.shape[-2])

    return judge("reported", table, direction, WORDS, away)


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


def _held(row: Reported, run: Run) -> bool | None:
    """Whether the prediction of one more run holds the number; None where there is none."""
    predicted = estimate(run.test_accuracy).prediction
    if predicted is None:
        return None
    return predicted[0] - EQUAL <= row.test_accuracy <= predicted[1] + EQUAL


def _row(row: Reported, evidence: Evidence) -> tuple[str, ...]:
    run = evidence.runs.get(row.run)
    start = (_title(row), words.percent(row.test_accuracy))
    if run is None:
        return (*start, "not run", "", "", "", "")
    ours = estimate(run.test_accuracy)
    start = (*start, words.spread(run.test_accuracy), str(ours.count))
    if differs := unlike(row, run.settings):
        return (*start, "", "", f"not the report's experiment: {differs}")
    held = {True: "yes", False: "no", None: "not judged"}[_held(row, run)]
    if not row.learns:
        held = f"{run.failed} of {ours.count} failed to train"
    away = words.points(ours.mean - row.test_accuracy)
    place = f"{rank(row.test_accuracy, run.test_accuracy):g} of {ours.count}"
    return (*start, away, place, held)


def _figure(learning: Sequence[Compared]) -> Figure:
    rows = []
    for row, run in learning:
        away = 100 * (run.test_accuracy - row.test_accuracy)
        rows.append(Row(_title(row), away, BLUE if normalises(run.settings) else ORANGE))
    panel = seeds_panel("Test accuracy", rows, "ours less reported (points)", left=2.1)
    caption = (
        "Ours less reported, of the networks that learn: with BN blue, without orange. The reported "
        "number is at 0."
    )
    return Figure("comparison", caption, (panel,), SOURCE)
