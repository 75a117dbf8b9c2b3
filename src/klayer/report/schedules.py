"""Which schedule explains the reported best λ, and does a third cycle help?"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import special

from klayer.report import words
from klayer.report.charts import Line, learning_rate_panels, source, training_panel
from klayer.report.comparison import differences, other_images, schedule, unlike
from klayer.report.document import Figure, Section, Table
from klayer.report.drawing import OTHERS
from klayer.report.evidence import Evidence, Run, Unanswered
from klayer.report.page import asks, attempt, question
from klayer.report.reference import BEST, BEST_VALIDATION, TRIED
from klayer.report.statistics import EQUAL, Estimate, Values, estimate, quantile
from klayer.report.verdicts import Verdict, compared, judge

TITLE = "Which schedule explains the reported best λ?"
WORDS = {0: "neither", 1: "test only", 2: "validation only", 3: "both"}
SOURCE = "plots/seeds/best_*.csv · dvc repro train_best"
HEAD = (
    "schedule",
    "test (%)",
    "one more run",
    "validation (%)",
    "one more run",
    f"highest of {TRIED}",
    "agrees in",
    "certainty",
)


@asks("schedules", TITLE)
def section(evidence: Evidence) -> Section:
    """Each schedule against the reported pair of accuracies."""
    runs = [evidence.runs[name] for name in evidence.schedules]
    tried = {schedule(run): (run, attempt(agreement, evidence, run)) for run in runs}
    judged = {name: (run, verdict) for name, (run, verdict) in tried.items() if verdict}
    if all(verdict.share is None for _, verdict in judged.values()):
        raise Unanswered(agreement(evidence, runs[0]).why)
    both = [name for name, (_, verdict) in judged.items() if verdict.direction == "both"]
    limits = {name: _highest_of(run) for name, (run, v) in judged.items() if v.share is not None}
    rows = [_row(name, run, verdict) for name, (run, verdict) in judged.items()]
    reported = f"reported {words.percent(BEST.test_accuracy)} and {words.percent(BEST_VALIDATION)}"
    table = Table(f"Accuracy with the best λ, mean ± std; {reported}", HEAD, rows, SOURCE)
    lines = [
        Line(name, OTHERS[i % len(OTHERS)], run) for i, (name, (run, _)) in enumerate(tried.items())
    ]
    lines.sort(key=lambda line: -line.run.curves["step"].iloc[-1])  # the shorter ones on top
    caption = "The best λ, trained by each schedule."
    panels = [training_panel(lines, "accuracy"), *learning_rate_panels(lines)]
    return question(
        "schedules",
        TITLE,
        judged[both[0]][1] if len(both) == 1 else None,
        blocks=[table],
        details=[Figure("train_best", caption, panels, source("plots/train/best_*.csv", runs))],
        verdicts={name: verdict for name, (_, verdict) in judged.items()},
        both=both,
        under=[name for name, (_, high) in limits.items() if high < BEST_VALIDATION],
        above=[name for name, (low, _) in limits.items() if low > BEST_VALIDATION],
        cycles=attempt(cycles, evidence),
        reported=BEST_VALIDATION,
        of_search=TRIED,
    )


def cycles(evidence: Evidence) -> Verdict:
    """The verdict on three cycles less two, by test accuracy.

    Raises Unanswered where the two runs are missing, or are not that.
    """
    two, three = (evidence.run(f"best_{name}_cycles") for name in ("two", "three"))
    numbers = [run.settings["cycles"] for run in (two, three)]
    if differences(three.settings, two.settings, but=("cycles",)) or numbers != [2, 3]:
        raise Unanswered(f"{three.name} and {two.name} differ in more than a third cycle")
    return compared(two.test_accuracy, three.test_accuracy, "cycles")


def agreement(evidence: Evidence, run: Run) -> Verdict:
    """In which of the two reported accuracies a schedule agrees, under the name of its run.

    Raises Unanswered where the report has no such training.
    """
    if images := other_images(evidence):
        raise Unanswered(f"the images are {images}")
    if other := unlike(BEST, run.settings, free=("half_cycle", "cycles")):
        raise Unanswered(f"{run.name} is not the report's experiment: {other}")
    measures = run.seeds[["test_accuracy", "validation_accuracy"]].to_numpy(np.float64)
    return judge(run.name, measures, _least, _directions, WORDS)


def _least(table: Values) -> Estimate:
    """Of the two accuracies that with less scatter: both need some."""
    return min((estimate(column) for column in table.T), key=lambda number: number.error)


def _directions(tables: Values) -> np.ndarray:
    """Columns: test and validation accuracy."""
    count = tables.shape[-2]
    if count < 2:
        return np.zeros(tables.shape[:-2], int)
    mean, deviation = tables.mean(axis=-2), tables.std(axis=-2, ddof=1)
    half = quantile(count - 1) * deviation[..., 0] * np.sqrt(1 + 1 / count)
    test = np.abs(mean[..., 0] - BEST.test_accuracy) <= half + EQUAL
    low, high = (mean[..., 1] + q * deviation[..., 1] for q in highest(count))
    return np.asarray(test + 2 * ((low <= BEST_VALIDATION) & (high >= BEST_VALIDATION)))


@cache
def highest(count: int) -> tuple[float, float]:
    """Where the highest of 50 more runs lies with 95 % probability: so many deviations above the
    mean of `count` runs. The formula stands in docs/evidence.md.
    """
    chance, of_mean, of_highest = np.random.default_rng(1).random((3, 20_000))
    scale = np.sqrt((count - 1) / special.chdtri(count - 1, 1 - chance))
    z0, z = special.ndtri(of_mean), special.ndtri(of_highest ** (1 / TRIED))
    low, high = np.quantile(scale * (z0 / np.sqrt(count) + z), [0.025, 0.975])
    return float(low), float(high)


def _highest_of(run: Run) -> tuple[float, float]:
    """Where the highest validation accuracy of 50 more runs would lie, of two seeds or more."""
    validation = estimate(run.seeds["validation_accuracy"])
    low, high = (validation.mean + q * validation.deviation for q in highest(validation.count))
    return low, high


def _row(name: str, run: Run, verdict: Verdict) -> tuple[str, ...]:
    validation = run.seeds["validation_accuracy"]
    return (
        name,
        words.spread(run.test_accuracy),
        words.within(estimate(run.test_accuracy).prediction),
        words.spread(validation),
        words.within(estimate(validation).prediction),
        words.within(_highest_of(run)) if len(run.seeds) > 1 else "",
        verdict.direction,
        verdict.certainty
        if verdict.share is None
        else f"{verdict.certainty} ({verdict.percent} %)",
    )
