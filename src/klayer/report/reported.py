"""Are the reported numbers reproduced? First all of them together, then those of the best λ: as the
report does not name its schedule, each schedule's test and validation accuracy is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy import special

from klayer.report import charts, reference, statistics, words
from klayer.report.evidence import Evidence, Run, Unanswered
from klayer.report.page import Figure, Table, asks, attempt
from klayer.report.reference import BEST, BEST_VALIDATION, ROWS, TRIED, Reported
from klayer.report.statistics import EQUAL, Values, Verdict

DIRECTIONS = {0: "no difference", 1: "higher", -1: "lower"}
AGREEMENT = {0: "neither", 1: "test only", 2: "validation only", 3: "both"}
SOURCE = "plots/seeds/*.csv · dvc repro train train_best"
HEAD = ["run", "reported (%)", "ours (%)", "seeds", "difference (points)", "rank", "within 95 %"]
OF_SCHEDULES = ["schedule", "test (%)", "one more run", "validation (%)", "one more run"]
OF_SCHEDULES += [f"highest of {TRIED}", "agrees in", "certainty"]


@asks("reported", "Are the reported numbers reproduced?")
def numbers(evidence: Evidence) -> dict[str, Any]:
    """The joint answer, the table of test accuracies, its picture, and the rows at chance level."""
    verdict = together(evidence)
    pairs = [(row, evidence.run(row.run)) for row in ROWS if row.comparable(evidence)]
    learning = [(row, run) for row, run in pairs if row.learns]
    bars = []
    for row, run in learning:
        colour = charts.BLUE if words.normalises(run.settings) else charts.ORANGE
        points = 100 * (run.test_accuracy - row.test_accuracy)
        bars.append(charts.Row(_title(row), points, colour))
    panel = charts.seeds_panel("Test accuracy", bars, "ours minus reported (points)")
    rows = [_row(row, evidence) for row in ROWS]
    held = [_within_prediction(row, run) for row, run in learning]
    return {
        "verdict": verdict,
        "blocks": [Figure("comparison", [panel], SOURCE)],
        "details": [Table("Test accuracy, reported and ours (mean ± std)", HEAD, rows, SOURCE)],
        "count": len(learning),
        "of_all": sum(row.learns for row in ROWS),
        "held": [within for within in held if within is not None],
        "at_chance": [(_title(row), run) for row, run in pairs if not row.learns],
        "without_best": learning[-1][0] is BEST and attempt(together, evidence, reference.RUNS),
    }


def _title(row: Reported) -> str:
    return words.label(row.settings) + (", best λ" if row is BEST else "")


def together(evidence: Evidence, reported: Sequence[Reported] = ROWS) -> Verdict:
    """The joint verdict, by D, over all rows that learn and whose run has the report's settings.

    Raises Unanswered when there is no such row.
    """
    reference.check_images(evidence)
    rows = [row for row in reported if row.learns and row.comparable(evidence)]
    if not rows:
        raise Unanswered("no run that learns in the report is trained as there")
    target = float(np.mean([row.test_accuracy for row in rows]))

    def difference(tables: Values) -> tuple[Values, Values]:
        """D and its standard error, of tables (..., n seeds, R rows). The error has two parts: what
        the seeds of all rows have in common, and the scatter of the report's single runs, which is
        assumed to be ours.
        """
        mean, shared = statistics.mean_and_error(tables.mean(axis=-1) - target)
        _, single = statistics.mean_and_error(np.swapaxes(tables, -2, -1))
        scatter = single**2 * tables.shape[-2]
        return mean, np.sqrt(shared**2 + scatter.sum(axis=-1) / len(rows) ** 2)

    return statistics.judge(evidence.table(*(row.run for row in rows)), difference, DIRECTIONS)


def _within_prediction(row: Reported, run: Run) -> bool | None:
    """Whether the reported number lies where one more run would; None where that is unknown."""
    if (predicted := statistics.estimate(run.test_accuracy).prediction) is None:
        return None
    return predicted[0] - EQUAL <= row.test_accuracy <= predicted[1] + EQUAL


def _row(row: Reported, evidence: Evidence) -> tuple[str, ...]:
    reported, run = (_title(row), words.percent(row.test_accuracy)), evidence.runs.get(row.run)
    if run is None:
        return (*reported, "not run", "", "", "", "")
    start = (*reported, words.spread(run.test_accuracy), str(len(run.seeds)))
    if differs := row.unlike(run.settings):
        return (*start, "", "", f"not the report's experiment: {differs}")
    difference = words.points(run.test_accuracy.mean() - row.test_accuracy)
    rank = f"{statistics.rank(row.test_accuracy, run.test_accuracy):g} of {len(run.seeds)}"
    if row.learns:
        last = {True: "yes", False: "no", None: "not judged"}[_within_prediction(row, run)]
    else:
        last = f"{run.failed} failed to train"
    return (*start, difference, rank, last)


@asks("schedules", "Which schedule explains the reported best λ?")
def schedules(evidence: Evidence) -> dict[str, Any]:
    """Each schedule against the reported pair of accuracies."""
    runs = {reference.schedule(run): run for run in map(evidence.run, evidence.schedules)}
    tried = {name: attempt(agreement, evidence, run) for name, run in runs.items()}
    verdicts = {name: verdict for name, verdict in tried.items() if verdict}
    if all(verdict.share is None for verdict in verdicts.values()):
        raise Unanswered(agreement(evidence, evidence.best).why)
    both = [name for name, verdict in verdicts.items() if verdict.direction == "both"]
    limits = {name: _highest_of(runs[name]) for name, v in verdicts.items() if v.share is not None}
    pair = f"reported {words.percent(BEST.test_accuracy)} and {words.percent(BEST_VALIDATION)}"
    rows = [_schedule(name, runs[name], verdict) for name, verdict in verdicts.items()]
    files = "plots/seeds/best_*.csv · dvc repro train_best"
    table = Table(f"Accuracy with the best λ, mean ± std; {pair}", OF_SCHEDULES, rows, files)
    lines = charts.coloured_lines(runs)
    lines.sort(key=lambda line: -line.run.curves["step"].iloc[-1])  # shorter runs on top
    panels = [charts.training_panel(lines, "accuracy"), *charts.learning_rate_panels(lines)]
    files = charts.source("plots/train/best_*.csv", runs.values())
    return {
        "verdict": verdicts[both[0]] if len(both) == 1 else None,
        "blocks": [table],
        "details": [Figure("train_best", panels, files)],
        "verdicts": verdicts,
        "both": both,
        "under": [name for name, (_, high) in limits.items() if high < BEST_VALIDATION],
        "above": [name for name, (low, _) in limits.items() if low > BEST_VALIDATION],
        "cycles": attempt(cycles, evidence),
        "reported": BEST_VALIDATION,
        "of_search": TRIED,
    }


def _schedule(name: str, run: Run, verdict: Verdict) -> list[str]:
    cells = [name]
    for accuracies in (run.test_accuracy, run.seeds["validation_accuracy"]):
        cells += [
            words.spread(accuracies),
            words.within(statistics.estimate(accuracies).prediction),
        ]
    share = f" ({verdict.percent} %)" if verdict.share is not None else ""
    cells.append(words.within(_highest_of(run)) if len(run.seeds) > 1 else "")
    return [*cells, verdict.direction, verdict.certainty + share]


def cycles(evidence: Evidence) -> Verdict:
    """The verdict on three cycles minus two, by test accuracy.

    Raises Unanswered when a run is missing, or when they differ in more than the cycles.
    """
    two, three = (evidence.run(f"best_{name}_cycles") for name in ("two", "three"))
    numbers = [run.settings["cycles"] for run in (two, three)]
    if words.differences(three.settings, two.settings, ("cycles",)) or numbers != [2, 3]:
        raise Unanswered(f"{three.name} and {two.name} differ in more than a third cycle")
    return statistics.compared(two.test_accuracy, three.test_accuracy)


def agreement(evidence: Evidence, run: Run) -> Verdict:
    """With which of the two reported accuracies a schedule agrees.

    Raises Unanswered when the run differs from the report's in more than the schedule.
    """
    reference.check_images(evidence)
    if other := BEST.unlike(run.settings, free=("half_cycle", "cycles")):
        raise Unanswered(f"{run.name} is not the report's experiment: {other}")
    measures = run.seeds[["test_accuracy", "validation_accuracy"]].to_numpy(np.float64)
    return statistics.judge(measures, _least, AGREEMENT, _agrees)


def _least(table: Values) -> tuple[Values, Values]:
    """The mean test accuracy, and the smaller error of the two: there is no verdict unless both
    accuracies scatter.
    """
    means, errors = statistics.mean_and_error(table.T)
    return means[0], errors.min()


def _agrees(tables: Values) -> np.ndarray:
    """The keys of AGREEMENT, of tables (..., n seeds, 2): test and validation accuracy."""
    count = tables.shape[-2]
    mean, deviation = tables.mean(axis=-2), tables.std(axis=-2, ddof=1)
    half = statistics.quantile(count - 1) * deviation[..., 0] * np.sqrt(1 + 1 / count)
    test = np.abs(mean[..., 0] - BEST.test_accuracy) <= half + EQUAL
    low, high = (mean[..., 1] + q * deviation[..., 1] for q in highest(count))
    return np.asarray(test + 2 * ((low <= BEST_VALIDATION) & (high >= BEST_VALIDATION)))


@cache
def highest(count: int) -> tuple[float, float]:
    """The 95 % interval of the highest of 50 more runs, in standard deviations above the mean of
    `count` runs. The formula is in docs/evidence.md.
    """
    for_scale, for_mean, for_highest = np.random.default_rng(1).random((3, 20_000))
    scale = np.sqrt((count - 1) / special.chdtri(count - 1, 1 - for_scale))
    z0, z = special.ndtri(for_mean), special.ndtri(for_highest ** (1 / TRIED))
    low, high = np.quantile(scale * (z0 / np.sqrt(count) + z), [0.025, 0.975])
    return float(low), float(high)


def _highest_of(run: Run) -> tuple[float, float]:
    """The 95 % interval of the highest validation accuracy of 50 more runs; takes two seeds."""
    validation = statistics.estimate(run.seeds["validation_accuracy"])
    low, high = (validation.mean + q * validation.deviation for q in highest(validation.count))
    return low, high
