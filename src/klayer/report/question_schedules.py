"""Which schedule explains the reported best λ, and does a third cycle help?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from scipy import special

from klayer.report import words
from klayer.report.comparison import differences, other_images, unlike
from klayer.report.document import Block, Section, Table, Text
from klayer.report.evidence import Evidence, Run
from klayer.report.reference import BEST, BEST_VALIDATION, TRIED
from klayer.report.statistics import EQUAL, Values, estimate, quantile
from klayer.report.verdicts import Answer, Verdict, judge, paired_answer, unjudged

TITLE = "Which schedule explains the reported best λ?"
NEITHER = "neither"
SCHEDULE = ("half_cycle", "cycles")  # what the schedules differ in
CYCLE_NAMES = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
WORDS = {0: NEITHER, 1: "test only", 2: "validation only", 3: "both"}
CYCLES = {
    "helps": "A third cycle helps",
    "harms": "A third cycle harms",
    "no difference": "A third cycle makes no difference",
}
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
    judged = {run.name: _agreement(evidence, run) for run in runs}
    rows = [_row(run, judged[run.name]) for run in runs]
    caption = f"Best λ: reported {BEST.test_accuracy} in test, {BEST_VALIDATION} in validation"
    blocks: list[Block] = [Table(caption, HEAD, rows, SOURCE)]
    compared = [run for run in runs if judged[run.name].share is not None]
    if compared:
        blocks.append(Text(f"{FAIR} {_outside(compared)}".strip()))
    if (cycles := cycles_answer(evidence)) and cycles.estimate:
        opening = cycles.verdict.opening(CYCLES)
        blocks.append(Text(f"{opening}{_longer(cycles)}{words.difference(cycles.estimate)}."))
    if images := other_images(evidence):
        return Section("schedules", TITLE, f"Not answered: the images are {images}.", blocks)
    return Section("schedules", TITLE, _answer(runs, judged), blocks)


def _longer(cycles: Answer) -> str:
    """What the number is, where no verdict has said it."""
    return "" if cycles.verdict.share is not None else "a third cycle changes the test accuracy by "


def cycles_answer(evidence: Evidence) -> Answer | None:
    """The verdict on three cycles less two, by test accuracy; None where the two runs are not there
    or not that.
    """
    names = ("best_two_cycles", "best_three_cycles")
    if evidence.missing(names):
        return None
    two, three = (evidence.runs[name].settings for name in names)
    if differences(three, two, but=("cycles",)) or (two["cycles"], three["cycles"]) != (2, 3):
        return None
    return paired_answer(evidence, *names, "cycles")


def agreements(evidence: Evidence) -> list[Answer]:
    """The verdict on each schedule, under the name of its run."""
    runs = [evidence.runs[name] for name in evidence.schedules]
    return [Answer(run.name, _agreement(evidence, run), None) for run in runs]


def _agreement(evidence: Evidence, run: Run) -> Verdict:
    """In which of the two reported accuracies a schedule agrees."""
    if other_images(evidence):
        return unjudged("not comparable")
    if other := unlike(BEST, run.settings, free=SCHEDULE):
        return unjudged(f"not the report's experiment ({other})")
    measures = run.seeds[["test_accuracy", "validation_accuracy"]]
    scatters = all(estimate(measures[name]).scatters for name in measures)
    return judge(measures.to_numpy(np.float64), _directions, WORDS, scatters)


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


def _answer(runs: Sequence[Run], judged: Mapping[str, Verdict]) -> str:
    both, others, without = [], [], []
    for run in runs:
        verdict = judged[run.name]
        if verdict.share is None:
            without.append(f"{title(run)}, {verdict.word}")
        elif verdict.direction == "both":
            both.append(f"{title(run)} ({verdict})")
        else:
            # Of `neither`, "not shown" would say its contrary: it is agreement that is not shown.
            prefix = "not shown: " if verdict.direction == NEITHER else ""
            said = str(verdict).removeprefix(prefix)
            others.append(f"{title(run)}: {verdict.direction} ({said})")
    sentences = [f"Agreeing in test and in validation: {', '.join(both)}."] if both else []
    if others:
        sentences.append(f"{'Others: ' if both else 'None agrees in both. '}{'; '.join(others)}.")
    reasons = {verdict.word for verdict in judged.values()}
    if len(without) == len(runs) and len(reasons) == 1:
        sentences = [f"Not judged: {reasons.pop()}."]
    elif without:
        sentences.append(f"Not judged: {'; '.join(without)}.")
    return " ".join(sentences)


def _highest_of(run: Run) -> tuple[float, float]:
    """Where the highest validation accuracy of 50 more runs would lie, of two seeds or more."""
    validation = estimate(run.seeds["validation_accuracy"])
    low, high = (validation.mean + q * validation.deviation for q in highest(validation.count))
    return low, high


def _outside(runs: Sequence[Run]) -> str:
    """Which schedules' highest of 50 lie under the reported one, which above, and what it means."""
    predicted = {title(run): _highest_of(run) for run in runs}
    under = [name for name, (_, high) in predicted.items() if high < BEST_VALIDATION]
    above = [name for name, (low, _) in predicted.items() if low > BEST_VALIDATION]
    meaning = {
        "under it and may still be the report's: values of λ that differ raise the highest": under,
        "above it and is not the report's": above,
    }
    return " ".join(f"The highest by {', '.join(n)} lies {m}." for m, n in meaning.items() if n)


def title(run: Run) -> str:
    """Its name in words, where the settings are what the name says; else the name as it is."""
    name, cycles = run.name.removeprefix("best_"), run.settings["cycles"]
    if name == f"ns_{run.settings['half_cycle']}":
        return name.replace("ns_", "n_s = ", 1)
    return name.replace("_", " ") if name == f"{CYCLE_NAMES.get(cycles)}_cycles" else name


def _row(run: Run, verdict: Verdict) -> tuple[str, ...]:
    test, validation = estimate(run.test_accuracy), estimate(run.seeds["validation_accuracy"])
    if verdict.share is None:
        accuracies = (words.spread(test), "", words.spread(validation))
        known = "not comparable" if verdict.word == "not comparable" else str(verdict)
        return (title(run), *accuracies, "", "", known)
    return (
        title(run),
        words.spread(test),
        _range(test.prediction),
        words.spread(validation),
        _range(validation.prediction),
        _range(_highest_of(run)),
        f"{verdict.direction}, {verdict.short}".replace(f"{NEITHER}, not shown", NEITHER),
    )


def _range(accuracies: tuple[float, float] | None) -> str:
    return f"{accuracies[0]:.4f} to {accuracies[1]:.4f}" if accuracies else ""
