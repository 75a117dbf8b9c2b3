"""Would other seeds say the same? The verdicts beside those of fresh seeds, and beside those of an
earlier run of the whole study.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from klayer.report import batch_norm, l2, reported, schedules, words
from klayer.report.comparison import comparable, effective, files, other_images, own, schedule
from klayer.report.document import Section, Table
from klayer.report.evidence import Evidence, Unanswered, read_table, searching
from klayer.report.page import asks, attempt, question
from klayer.report.verdicts import NOT_JUDGED, Verdict

FRESH = Path("plots/stability.csv")  # of `klayer stability`
EARLIER = Path("plots/earlier.csv")  # verdicts of an earlier run of the whole study
COLUMNS = "question seeds direction word estimate low high settings"
TITLE = "Would other seeds say the same?"
OUTDATED = "made with other settings: run `klayer stability`"
SEARCH = "l2"  # the question that the search answers
IN_WORDS = {
    "reported": "reported numbers",
    "shallow": "BN in 3 layers",
    "sigma_1e-1": "BN at σ = 0.1",
    "start": "BN and initial weights",
    "l2": "L2",
    "cycles": "third cycle",
    "deep": "BN in 9 layers",
    "he": "He initialisation",
}
CERTAINTY = {"shown": "clear", "not shown": "clear", "suggested": "uncertain"}  # by the rule's word
# The questions that a few tenths of a point decide, by their names in docs/evidence.md.
CLOSE: Mapping[str, Callable[[Evidence], Verdict]] = {
    "reported": reported.together,
    "shallow": lambda evidence: batch_norm.gain(evidence, "three_layer"),
    "sigma_1e-1": lambda evidence: batch_norm.gain(evidence, "sigma_1e-1"),
    "start": batch_norm.start,
    SEARCH: lambda evidence: l2.judged(evidence.search_runs),
    "cycles": schedules.cycles,
}


def close_verdicts(evidence: Evidence) -> dict[str, Verdict]:
    """Of the close questions, where their runs are there."""
    verdicts = {name: attempt(verdict, evidence) for name, verdict in CLOSE.items()}
    return {name: verdict for name, verdict in verdicts.items() if verdict}


def close_runs(evidence: Evidence) -> dict[str, list[str]]:
    """The runs that each of those verdicts is computed from; none for the search's."""
    runs = {
        "reported": [row.run for row in reported.ROWS if row.learns and comparable(row, evidence)],
        "shallow": ["three_layer", "three_layer_bn"],
        "sigma_1e-1": ["sigma_1e-1", "sigma_1e-1_bn"],
        "start": [name for name in evidence.runs if name.startswith("sigma_")],
        SEARCH: [],
        "cycles": ["best_two_cycles", "best_three_cycles"],
    }
    return {name: runs[name] for name in close_verdicts(evidence)}


def settings_digests(evidence: Evidence) -> dict[str, str]:
    """Of the settings behind each verdict, without seeds: those of its runs or of the search, and
    of the images. Settings that are off, or that change no network, have no part in it.
    """
    section = evidence.sections.get("data") or {}
    images: dict[str, Any] = {key: section.get(key) for key in ("source", "validation")}
    images["files"] = sorted(files(section.get("sha256", ())))
    if images["source"] == "synthetic":
        images["synthetic_seed"] = section.get("synthetic_seed")
    fine = evidence.search_runs[evidence.search_runs["phase"] != "coarse"]
    search = effective(searching(evidence.sections)) | {"values": sorted(set(fine["l2"].tolist()))}
    del search["l2"]
    digests = {}
    for name, names in close_runs(evidence).items():
        runs = {run: effective(evidence.runs[run].settings) for run in sorted(names)}
        digests[name] = _digest({"images": images, "runs": search if name == SEARCH else runs})
    return digests


def study_digest(evidence: Evidence) -> str:
    """Of the settings of its runs, without the user's own experiments and the best λ, which the
    search finds.
    """
    study = {name: run for name, run in sorted(evidence.runs.items()) if not own(run)}
    runs = {name: effective(run.settings) for name, run in study.items()}
    for name in evidence.schedules:
        runs[name].pop("l2", None)
    return _digest([runs, sorted((evidence.sections.get("data") or {}).get("sha256", ()))])


def _digest(settings: Any) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def table(verdicts: Sequence[Verdict], seeds: str, digests: Mapping[str, str]) -> pd.DataFrame:
    """A row for each verdict, in points, with the digest of its settings."""
    rows = []
    for verdict in verdicts:
        number = verdict.estimate
        numbers = (number.mean, *(number.interval or [number.mean] * 2)) if number else (0.0,) * 3
        points = [round(100 * value, 4) for value in numbers]
        answer = (verdict.question, seeds, verdict.direction, verdict.word)
        rows.append((*answer, *points, digests[verdict.question]))
    return pd.DataFrame(rows, columns=COLUMNS.split())


@asks("stability", TITLE)
def section(evidence: Evidence) -> Section:
    """Every verdict of the study, of the fresh seeds, and of the earlier run."""
    if not FRESH.exists():
        raise Unanswered("`klayer stability`, which trains fresh seeds, has not been run")
    close, again, earlier = close_verdicts(evidence), fresh_verdicts(evidence), _earlier(evidence)
    rows: list[tuple[str, ...]] = []
    fresh: list[tuple[str, bool, str]] = []  # title, whether it is the same, certainty
    before: list[tuple[str, bool, str]] = []
    for name, verdict in (close | _others(evidence)).items():
        title, cells = _title(evidence, name), []
        for table, outcomes in ((again, fresh), (earlier, before)):
            answers = table[table["question"] == name]
            cells.append("; ".join(_answer(row) for _, row in answers.iterrows()))
            if verdict.share is not None:
                directions = answers["direction"][answers["direction"] != NOT_JUDGED]
                equal = [direction == verdict.direction for direction in directions]
                outcomes += [(title, same, verdict.certainty) for same in equal]
        if name in close and not cells[0]:
            cells[0] = OUTDATED
        rows.append((title, f"{verdict.direction} ({verdict.certainty})", *cells))
    seeds = ", ".join(dict.fromkeys(again["seeds"])) or "none"
    head = ("question", "the study", f"fresh seeds ({seeds})", "an earlier run of the study")
    caption = "Answers of the study, of seeds that it did not use, and of an earlier run"
    return question(
        "stability",
        TITLE,
        blocks=[Table(caption, head, rows, f"{FRESH}, {EARLIER} · klayer stability")],
        same=sum(same for _, same, _ in fresh),
        changed={title: certainty for title, same, certainty in fresh if not same},
        before=[same for _, same, _ in before],
    )


def fresh_verdicts(evidence: Evidence) -> pd.DataFrame:
    """The rows of plots/stability.csv that were made with the present settings."""
    table = read_table(FRESH, COLUMNS)
    return table[table["settings"] == table["question"].map(settings_digests(evidence))]


def _earlier(evidence: Evidence) -> pd.DataFrame:
    """The rows of plots/earlier.csv, if there is such a file, and it is of the present settings
    and of the report's images."""
    columns = ["question", "direction", "word", "settings"]
    table = read_table(EARLIER, " ".join(columns)) if EARLIER.exists() else None
    table = pd.DataFrame(columns=columns) if table is None else table
    return table[(table["settings"] == study_digest(evidence)) & (not other_images(evidence))]


def _answer(row: pd.Series[Any]) -> str:
    """A row of verdicts, by the rule's word: helps (clear), +0.63 points."""
    text = f"{row['direction']} ({CERTAINTY.get(row['word'], row['word'])})"
    return f"{text}, {words.points(row['estimate'] / 100)} points" if "estimate" in row else text


def _others(evidence: Evidence) -> dict[str, Verdict]:
    """The verdicts that are not close: on 9 layers, and on each schedule."""
    deep = [attempt(batch_norm.trainable, evidence, f"nine_layer_{kind}") for kind in ("bn", "he")]
    best = [attempt(schedules.agreement, evidence, evidence.runs[n]) for n in evidence.schedules]
    return {verdict.question: verdict for verdict in (*deep, *best) if verdict}


def _title(evidence: Evidence, name: str) -> str:
    run = evidence.runs.get(name)
    return IN_WORDS[name] if name in IN_WORDS or run is None else f"best λ: {schedule(run)}"
