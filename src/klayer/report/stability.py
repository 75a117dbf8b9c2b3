"""Would other seeds say the same? The close questions, answered by fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from klayer.report import (
    l2_search,
    question_gain,
    question_reported,
    question_schedules,
    question_start,
    words,
)
from klayer.report.document import Section, Table
from klayer.report.evidence import STABILITY, VERDICTS, Evidence
from klayer.report.reference import BEST, RUNS
from klayer.report.verdicts import Answer

TITLE = "Would other seeds say the same?"
SOURCE = f"{STABILITY} · klayer stability"


def close_answers(evidence: Evidence) -> list[Answer]:
    """The verdicts that a few tenths of a point decide, where their runs are there."""
    found = (
        question_reported.answer(evidence),
        question_gain.answer(evidence, "three_layer"),
        question_gain.answer(evidence, "sigma_1e-1"),
        question_start.answer(evidence),
        l2_search.answer(evidence.search_runs),
        question_schedules.cycles_answer(evidence),
    )
    return [answer for answer in found if answer]


def close_runs(evidence: Evidence) -> list[str]:
    """The runs that those verdicts are computed from."""
    pairs = ("three_layer", "three_layer_bn")
    reported = [row.run for row in (*RUNS, BEST) if row.learns]
    normal = [name for pair in question_start.names(evidence) for name in pair]
    runs = (*pairs, *reported, *normal, "best_two_cycles", "best_three_cycles")
    return [name for name in dict.fromkeys(runs) if name in evidence.runs]


def table(answers: Sequence[Answer], seeds: str, kernels: str) -> pd.DataFrame:
    """A row for each verdict, in points."""
    rows = []
    for answer in answers:
        found, verdict = answer.estimate, answer.verdict
        numbers = (found.mean, *(found.interval or (0.0, 0.0))) if found else (0.0, 0.0, 0.0)
        about = (answer.question, seeds, kernels, verdict.direction, verdict.word)
        rows.append((*about, *(round(100 * value, 4) for value in numbers)))
    return pd.DataFrame(rows, columns=list(VERDICTS))


def section(evidence: Evidence) -> Section:
    """The study's verdicts beside those of the fresh seeds."""
    again = evidence.stability
    if again is None or evidence.synthetic:
        why = "Not known: `klayer stability`, which trains fresh seeds, has not been run."
        return Section("stability", TITLE, why)
    ours = {answer.question: answer.verdict for answer in close_answers(evidence)}
    rows: list[tuple[str, ...]] = []
    others: list[str] = []
    contradicted: list[str] = []
    for row in again[again["question"].isin(list(ours))].itertuples():
        question, mine = str(row.question), ours[str(row.question)]
        same = mine.direction == row.direction
        verdicts = (f"{mine.direction} ({mine.word})", f"{row.direction} ({row.word})")
        about = (*verdicts, str(row.seeds), str(row.kernels))
        points = f"{words.points(float(str(row.estimate)) / 100)} points"
        rows.append((question, *about, points, "yes" if same else "no"))
        if not same:
            (contradicted if mine.word in ("shown", "not shown") else others).append(question)
    head = ("question", "the study", "again", "seeds", "kernels", "estimate again", "same")
    caption = "Verdicts of the study and of other seeds; native kernels are a processor's own"
    found = Table(caption, head, rows, SOURCE)
    return Section("stability", TITLE, _answer(len(rows), others, contradicted), (found,))


def _answer(count: int, others: list[str], contradicted: list[str]) -> str:
    if not others and not contradicted:
        return f"Yes: all {count} verdicts on close questions come out the same."
    same = count - len(others) - len(contradicted)
    said = [f"{same} of {count} verdicts on close questions come out the same."]
    if others:
        said.append(f"Not the same, and only suggested by the study: {_names(others)}.")
    if contradicted:
        names = _names(contradicted)
        said.append(f"Not the same, though the study had them shown or not shown: {names}.")
    return " ".join(said)


def _names(questions: list[str]) -> str:
    """Each once, however often it was asked again."""
    return ", ".join(dict.fromkeys(questions))
