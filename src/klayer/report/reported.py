"""Are the reported numbers reproduced? Each beside our runs, and all of them together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from klayer.report import words
from klayer.report.charts import Row, seeds_panel
from klayer.report.comparison import comparable, label, normalises, other_images, unlike
from klayer.report.document import Figure, Section, Table
from klayer.report.drawing import BLUE, ORANGE
from klayer.report.evidence import Evidence, Run, Unanswered
from klayer.report.page import asks, question
from klayer.report.reference import BEST, RUNS, Reported
from klayer.report.statistics import EQUAL, Estimate, Values, estimate, rank, signs
from klayer.report.verdicts import Verdict, judge

ROWS = (*RUNS, BEST)
WORDS = {0: "no difference", 1: "higher", -1: "lower"}
SOURCE = "plots/seeds/*.csv · dvc repro train train_best"
HEAD = ("run", "reported (%)", "ours (%)", "seeds", "difference (points)", "rank", "within 95 %")


@asks("reported", "Are the reported numbers reproduced?")
def section(evidence: Evidence) -> Section:
    """The joint answer, the table of test accuracies, its picture, and the rows at chance level."""
    if images := other_images(evidence):
        raise Unanswered(f"the images are {images}")
    verdict = together(evidence)
    pairs = [(row, evidence.run(row.run)) for row in ROWS if comparable(row, evidence)]
    learning = [(row, run) for row, run in pairs if row.learns]
    held = [held for row, run in learning if (held := _held(row, run)) is not None]
    bars = [
        Row(
            _title(row),
            100 * (run.test_accuracy - row.test_accuracy),
            BLUE if normalises(run.settings) else ORANGE,
        )
        for row, run in learning
    ]
    panel = seeds_panel("Test accuracy", bars, "ours less reported (points)")
    caption = (
        "Ours less reported, of the networks that learn: with BN blue, without orange. The "
        "reported number is at 0."
    )
    rows = [_row(row, evidence) for row in ROWS]
    return question(
        "reported",
        "Are the reported numbers reproduced?",
        verdict,
        blocks=[Figure("comparison", caption, [panel], SOURCE)],
        details=[Table("Test accuracy, reported and ours (mean ± std)", HEAD, rows, SOURCE)],
        count=len(learning),
        of_all=sum(row.learns for row in ROWS),
        held=held,
        at_chance=[(_title(row), run) for row, run in pairs if not row.learns],
        without_best=together(evidence, RUNS) if learning[-1][0] is BEST else None,
    )


def _title(row: Reported) -> str:
    return label(row.settings) + (", best λ" if row is BEST else "")


def together(evidence: Evidence, reported: Sequence[Reported] = ROWS) -> Verdict:
    """The joint verdict over all rows that learn and are the report's experiment.

    Raises Unanswered where there is none.
    """
    rows = [row for row in reported if row.learns and comparable(row, evidence)]
    if not rows:
        raise Unanswered("no run that learns in the report is trained as there")
    target = float(np.mean([row.test_accuracy for row in rows]))

    def number(table: Values) -> Estimate:
        mean, error = _difference(table, target)
        deviation = estimate(table.mean(axis=1)).deviation
        return Estimate(float(mean), deviation, len(table), float(error))

    def direction(tables: Values) -> np.ndarray:
        return signs(*_difference(tables, target), tables.shape[-2])

    return judge("reported", evidence.table(*(r.run for r in rows)), number, direction, WORDS)


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
    reported, run = (_title(row), words.percent(row.test_accuracy)), evidence.runs.get(row.run)
    if run is None:
        return (*reported, "not run", "", "", "", "")
    start = (*reported, words.spread(run.test_accuracy), str(len(run.seeds)))
    if differs := unlike(row, run.settings):
        return (*start, "", "", f"not the report's experiment: {differs}")
    held = {True: "yes", False: "no", None: "not judged"}[_held(row, run)]
    away = words.points(run.test_accuracy.mean() - row.test_accuracy)
    place = f"{rank(row.test_accuracy, run.test_accuracy):g} of {len(run.seeds)}"
    return (*start, away, place, held if row.learns else f"{run.failed} failed to train")
