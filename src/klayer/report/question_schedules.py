"""Which schedule explains the reported best λ, and does a third cycle help?"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import special

from klayer.report import words
from klayer.report.document import Block, Section, Table, Text
from klayer.report.evidence import Evidence, Run, Study
from klayer.report.question_gain import paired_answer
from klayer.report.reference import BEST, BEST_VALIDATION, TRIED
from klayer.report.statistics import Values, estimate, quantile
from klayer.report.verdicts import Answer, Verdict, judge

TITLE = "Which schedule explains the reported best λ?"
NEITHER = "neither"
WORDS = {0: NEITHER, 1: "test only", 2: "validation only", 3: "both"}
CYCLES = {1: "helps", 0: "no difference", -1: "harms"}
SOURCE = "plots/seeds/best_SCHEDULE.csv · stage train_best@SCHEDULE · dvc repro train_best"
HEAD = (
    "schedule",
    "test",
    "one more run (95 %)",
    "validation",
    "one more run (unfair)",
    f"highest of {TRIED}",
    "agrees in",
)
FAIR = (
    f"The report's {BEST_VALIDATION} in validation is the highest of {TRIED} networks, so it is "
    f"compared with where the highest of {TRIED} of ours would lie, not with one run, which would "
    "be unfair to every schedule."
)


def section(evidence: Evidence) -> Section:
    """Each schedule against the reported pair of accuracies."""
    runs = [evidence.runs[name] for name in evidence.schedules]
    rows = tuple(_row(evidence.study, run, evidence.synthetic) for run in runs)
    caption = f"Best λ: reported {BEST.test_accuracy} in test, {BEST_VALIDATION} in validation"
    fair = FAIR if evidence.synthetic else f"{FAIR} {_outside(runs)}".strip()
    blocks: list[Block] = [Table(caption, HEAD, rows, SOURCE), Text(fair)]
    cycles = cycles_answer(evidence.study)
    if cycles is not None:
        said = {"helps": "A third cycle helps", "harms": "A third cycle harms"}
        word = said.get(cycles.verdict.direction, "A third cycle makes no difference")
        blocks.append(Text(f"{word} ({cycles.verdict}): {words.difference(cycles.estimate)}."))
    if evidence.synthetic:
        return Section("schedules", TITLE, "Not answered: the images are synthetic.", tuple(blocks))
    return Section("schedules", TITLE, _answer(evidence.study, runs), tuple(blocks))


def cycles_answer(study: Study) -> Answer | None:
    """The verdict on three cycles less two, by test accuracy."""
    return paired_answer(study, "best_two_cycles", "best_three_cycles", "cycles", CYCLES)


def answer(study: Study, name: str) -> Answer:
    """In which of the two reported accuracies a schedule agrees."""
    table = study.seeds[name][["test_accuracy", "validation_accuracy"]].to_numpy(np.float64)
    return Answer(name, judge(table, _directions, WORDS), None)


def _directions(tables: Values) -> np.ndarray:
    """Columns: test and validation accuracy."""
    count = tables.shape[-2]
    if count < 2:
        return np.zeros(tables.shape[:-2], int)
    mean, deviation = tables.mean(axis=-2), tables.std(axis=-2, ddof=1)
    half = quantile(count - 1) * deviation[..., 0] * np.sqrt(1 + 1 / count)
    test = np.abs(mean[..., 0] - BEST.test_accuracy) <= half
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


def _answer(study: Study, runs: list[Run]) -> str:
    answers = [(run.name, answer(study, run.name).verdict) for run in runs]
    both = [f"{_title(name)} ({v})" for name, v in answers if v.direction == "both"]
    rest = [(name, v) for name, v in answers if v.direction != "both"]
    others = [f"{_title(name)}: {v.direction} ({_plain(v)})" for name, v in rest]
    said = (
        f"Agreeing in test and in validation: {', '.join(both)}" if both else "None agrees in both"
    )
    return f"{said}. {'Others: ' + '; '.join(others) + '.' if others else ''}".strip()


def _plain(verdict: Verdict) -> str:
    """Of `neither`, "not shown" would say its contrary: it is agreement that is not shown."""
    said = str(verdict)
    return said.removeprefix("not shown: ") if verdict.direction == NEITHER else said


def _highest_of(run: Run) -> tuple[float, float]:
    """Where the highest validation accuracy of 50 more runs would lie, of two seeds or more."""
    validation = estimate(run.seeds["validation_accuracy"])
    low, high = (validation.mean + q * validation.deviation for q in highest(validation.count))
    return low, high


def _outside(runs: list[Run]) -> str:
    """Which schedules' highest of 50 lie under the reported one, which above, and what it means."""
    predicted = {_title(run.name): _highest_of(run) for run in runs if len(run.seeds) > 1}
    under = [name for name, (_, high) in predicted.items() if high < BEST_VALIDATION]
    above = [name for name, (low, _) in predicted.items() if low > BEST_VALIDATION]
    said = (
        (
            under,
            "under it and may still be the report's: values of λ that differ raise the highest",
        ),
        (above, "above it and is not the report's"),
    )
    return " ".join(f"The highest by {', '.join(n)} lies {where}." for n, where in said if n)


def _title(name: str) -> str:
    return (
        name.removeprefix("best_")
        .replace("ns_", "n_s = ")
        .replace("_", " ", 1)
        .replace("n s", "n_s")
    )


def _row(study: Study, run: Run, synthetic: bool) -> tuple[str, ...]:
    test, validation = estimate(run.test_accuracy), estimate(run.seeds["validation_accuracy"])
    name = _title(run.name)
    if synthetic or test.count < 2:
        return (name, words.spread(test), "", words.spread(validation), "", "", "not comparable")
    verdict = answer(study, run.name).verdict
    return (
        name,
        words.spread(test),
        _range(test.prediction),
        words.spread(validation),
        _range(validation.prediction),
        _range(_highest_of(run)),
        f"{verdict.direction}, {verdict.short}".replace(f"{NEITHER}, not shown", NEITHER),
    )


def _range(accuracies: tuple[float, float] | None) -> str:
    return f"{accuracies[0]:.4f} to {accuracies[1]:.4f}" if accuracies else ""
