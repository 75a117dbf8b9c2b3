"""Which schedule explains the reported best λ, and does a third cycle help?"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import special

from klayer.report import words
from klayer.report.charts import Line, training_figures
from klayer.report.comparison import differences, other_images, schedule, unlike
from klayer.report.document import Section, Table
from klayer.report.drawing import OTHERS
from klayer.report.evidence import Evidence, Run
from klayer.report.page import question
from klayer.report.reference import BEST, BEST_VALIDATION, TRIED
from klayer.report.statistics import EQUAL, Values, estimate, quantile
from klayer.report.verdicts import NOT_JUDGED, Verdict, compared, judge

TITLE = "Which schedule explains the reported best λ?"
SCHEDULE = ("half_cycle", "cycles")  # what the schedules differ in
WORDS = {0: "neither", 1: "test only", 2: "validation only", 3: "both"}
SOURCE = "plots/seeds/best_SCHEDULE.csv · stage train_best@SCHEDULE · dvc repro train_best"
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


def section(evidence: Evidence) -> Section:
    """Each schedule against the reported pair of accuracies."""
    runs = [evidence.runs[name] for name in evidence.schedules]
    verdicts = {run.name: agreement(evidence, run) for run in runs}
    lines = [
        Line(schedule(run), OTHERS[i % len(OTHERS)], run)
        for i, run in enumerate(sorted(runs, key=lambda run: -run.curves["step"].iloc[-1]))
    ]
    shown, more = training_figures("train_best", "The best λ, trained by each schedule.", lines)
    reported = f"reported {words.percent(BEST.test_accuracy)} and {words.percent(BEST_VALIDATION)}"
    rows = [_row(run, verdicts[run.name]) for run in runs]
    judged = [run for run in runs if verdicts[run.name].share is not None]
    limits = {schedule(run): _highest_of(run) for run in judged}
    both = [verdict for verdict in verdicts.values() if verdict.direction == "both"]
    return question(
        "schedules",
        TITLE,
        max(both, key=lambda verdict: verdict.share or 0.0, default=None),
        blocks=[Table(f"Accuracy with the best λ, mean ± std; {reported}", HEAD, rows, SOURCE)],
        details=[shown, more],
        images=other_images(evidence),
        verdicts={schedule(run): verdicts[run.name] for run in runs},
        under=[name for name, (_, high) in limits.items() if high < BEST_VALIDATION],
        above=[name for name, (low, _) in limits.items() if low > BEST_VALIDATION],
        judged=bool(judged),
        both=len(both),
        cycles=cycles(evidence),
        reported=BEST_VALIDATION,
        tried=TRIED,
    )


def cycles(evidence: Evidence) -> Verdict | None:
    """The verdict on three cycles less two, by test accuracy; None where the two runs are not there
    or not that.
    """
    names = ("best_two_cycles", "best_three_cycles")
    if evidence.missing(*names):
        return None
    two, three = (evidence.runs[name] for name in names)
    if differences(three.settings, two.settings, but=("cycles",)):
        return None
    if (two.settings["cycles"], three.settings["cycles"]) != (2, 3):
        return None
    return compared(two.test_accuracy, three.test_accuracy, "cycles")


def agreement(evidence: Evidence, run: Run) -> Verdict:
    """In which of the two reported accuracies a schedule agrees, under the name of its run."""
    if other_images(evidence):
        return Verdict(run.name, NOT_JUDGED, why="not comparable")
    if other := unlike(BEST, run.settings, free=SCHEDULE):
        return Verdict(run.name, NOT_JUDGED, why=f"not the report's experiment: {other}")
    measures = run.seeds[["test_accuracy", "validation_accuracy"]]
    number = min((estimate(measures[name]) for name in measures), key=lambda e: e.error)
    return judge(run.name, measures.to_numpy(np.float64), _directions, WORDS, number)


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


def _row(run: Run, verdict: Verdict) -> tuple[str, ...]:
    test, validation = estimate(run.test_accuracy), estimate(run.seeds["validation_accuracy"])
    judged = verdict.share is not None
    return (
        schedule(run),
        words.spread(run.test_accuracy),
        words.within(test.prediction) if judged else "",
        words.spread(run.seeds["validation_accuracy"]),
        words.within(validation.prediction) if judged else "",
        words.within(_highest_of(run)) if judged else "",
        verdict.direction,
        f"{verdict.certainty} ({verdict.percent} %)" if judged else verdict.why,
    )
