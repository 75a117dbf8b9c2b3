"""Would other seeds say the same? The close questions, answered by fresh seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import pandas as pd

from klayer.report import (
    l2_search,
    question_gain,
    question_reported,
    question_schedules,
    question_start,
    words,
)
from klayer.report.comparison import comparable, effective, files
from klayer.report.document import Section, Table
from klayer.report.evidence import STABILITY, VERDICTS, Evidence
from klayer.report.reference import BEST, RUNS
from klayer.report.verdicts import NOT_JUDGED, Answer, Verdict

TITLE = "Would other seeds say the same?"
SOURCE = f"{STABILITY} · klayer stability"
OUTDATED = "made with other settings: run `klayer stability`"
SEARCH = "l2"  # the question that the search answers


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


def close_runs(evidence: Evidence) -> dict[str, list[str]]:
    """The runs that each of those verdicts is computed from; none for the search's."""
    runs = {
        "reported": [row.run for row in (*RUNS, BEST) if row.learns and comparable(row, evidence)],
        "shallow": ["three_layer", "three_layer_bn"],
        "sigma_1e-1": ["sigma_1e-1", "sigma_1e-1_bn"],
        "start": [name for pair in question_start.names(evidence) for name in pair],
        SEARCH: [],
        "cycles": ["best_two_cycles", "best_three_cycles"],
    }
    return {answer.question: runs[answer.question] for answer in close_answers(evidence)}


def settings_digests(evidence: Evidence) -> dict[str, str]:
    """Of the settings behind each verdict, without seeds: those of its runs or of the search, and
    of the images. Settings that are off, or that change no network, have no part in it.
    """
    data = {key: evidence.images.get(key) for key in ("source", "synthetic_seed", "validation")}
    images = {**data, "files": sorted(files(evidence.images.get("sha256", ())))}
    if data["source"] != "synthetic":
        del images["synthetic_seed"]
    fine = evidence.search_runs[evidence.search_runs["phase"] != "coarse"]
    search = {key: v for key, v in effective(evidence.searching).items() if key != "l2"}
    search |= {"values": sorted(set(fine["l2"].tolist()))}
    digests = {}
    for question, names in close_runs(evidence).items():
        runs = {name: effective(evidence.runs[name].settings) for name in sorted(names)}
        used = {"images": images, "runs": search if question == SEARCH else runs}
        text = json.dumps(used, sort_keys=True)
        digests[question] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return digests


def table(answers: Sequence[Answer], seeds: str, digests: Mapping[str, str]) -> pd.DataFrame:
    """A row for each verdict, in points, with the digest of its settings."""
    rows = []
    for answer in answers:
        found, verdict = answer.estimate, answer.verdict
        numbers = (found.mean, *(found.interval or [found.mean] * 2)) if found else (0.0,) * 3
        about = (answer.question, seeds, verdict.direction, verdict.word)
        in_points = (round(100 * value, 4) for value in numbers)
        rows.append((*about, *in_points, digests[answer.question]))
    return pd.DataFrame(rows, columns=[*VERDICTS, "settings"])


def section(evidence: Evidence) -> Section:
    """The study's verdicts beside those of the fresh seeds."""
    again, digests = evidence.stability, settings_digests(evidence)
    if again is None:
        why = "Not known: `klayer stability`, which trains fresh seeds, has not been run."
        return Section("stability", TITLE, why)
    ours = {answer.question: answer.verdict for answer in close_answers(evidence)}
    if not ours:
        return Section(
            "stability", TITLE, "Not asked: params.yaml has none of the close questions."
        )
    present = again[again["settings"] == again["question"].map(digests)]
    outdated = [name for name in ours if name not in set(present["question"])]
    if present.empty:
        return Section("stability", TITLE, f"Not known: plots/stability.csv was {OUTDATED}.")
    rows: list[tuple[str, ...]] = []
    same: dict[tuple[str, bool], list[str]] = {}  # by the study's word, and whether it is the same
    for row in present.itertuples():
        question, mine = str(row.question), ours[str(row.question)]
        judged = mine.share is not None and row.direction != NOT_JUDGED
        equal = mine.direction == row.direction
        verdicts = (_told(mine), f"{row.direction} ({row.word})")
        about = (*verdicts, str(row.seeds))
        points = f"{words.points(float(str(row.estimate)) / 100)} points"
        shown = ("yes" if equal else "no") if judged else NOT_JUDGED
        rows.append((question, *about, points, shown))
        if judged:
            same.setdefault((mine.word, equal), []).append(question)
    rows += [(name, _told(ours[name]), OUTDATED, "", "", "") for name in outdated]
    head = ("question", "the study", "again", "seeds", "estimate again", "same")
    caption = "Verdicts of the study and of other seeds"
    found = Table(caption, head, rows, SOURCE)
    return Section("stability", TITLE, _answer(same, outdated), (found,))


def _told(verdict: Verdict) -> str:
    return f"{verdict.direction} ({verdict.word})"


def _answer(same: Mapping[tuple[str, bool], list[str]], outdated: list[str]) -> str:
    equal = sum(len(names) for (_, is_equal), names in same.items() if is_equal)
    count = sum(len(names) for names in same.values())
    verdicts = f"{words.count(count, 'verdict')} on close questions"
    if not count:
        said = ["Not judged: too few seeds, or no scatter over them."]
    elif equal == count:
        said = [
            f"Yes: {f'all {verdicts} come' if count > 1 else f'the {verdicts} comes'} out the same."
        ]
    else:
        said = [f"{equal} of {verdicts} {'come' if count > 1 else 'comes'} out the same."]
    if others := same.get(("suggested", False)):
        said.append(f"Not the same, and only suggested by the study: {_names(others)}.")
    contradicted = [
        name
        for (word, is_equal), names in same.items()
        if not is_equal and word != "suggested"
        for name in names
    ]
    if contradicted:
        names = _names(contradicted)
        said.append(f"Not the same, though the study had them shown or not shown: {names}.")
    if outdated:
        said.append(f"Of {_names(outdated)}: {OUTDATED}.")
    return " ".join(said)


def _names(questions: list[str]) -> str:
    """Each once, however often it was asked again."""
    return ", ".join(dict.fromkeys(questions))
