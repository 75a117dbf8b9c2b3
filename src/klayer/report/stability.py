"""Would other seeds say the same? The close questions, answered by fresh seeds, and the verdicts of
an earlier run of the whole study.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from klayer.report import batch_norm, l2, reported, schedules, words
from klayer.report.comparison import comparable, effective, files, schedule
from klayer.report.document import Section, Table
from klayer.report.evidence import STABILITY, VERDICTS, Evidence
from klayer.report.page import question, sentence, unanswered
from klayer.report.verdicts import NOT_JUDGED, Verdict

TITLE = "Would other seeds say the same?"
SOURCE = f"{STABILITY} · klayer stability"
OUTDATED = "made with other settings: run `klayer stability`"
SEARCH = "l2"  # the question that the search answers
IN_WORDS = {
    "reported": "the reported numbers",
    "shallow": "BN in 3 layers",
    "sigma_1e-1": "BN at σ = 0.1",
    "start": "BN and initial weights",
    "l2": "L2",
    "cycles": "the third cycle",
    "deep": "BN in 9 layers",
    "he": "He initialisation",
}
CERTAINTY = {"shown": "clear", "not shown": "clear", "suggested": "uncertain"}  # of the rule's words


def close_verdicts(evidence: Evidence) -> dict[str, Verdict]:
    """The verdicts that a few tenths of a point decide, where their runs are there."""
    found = (
        reported.together(evidence),
        batch_norm.gain(evidence, "three_layer"),
        batch_norm.gain(evidence, "sigma_1e-1"),
        batch_norm.start(evidence),
        l2.judged(evidence.search_runs),
        schedules.cycles(evidence),
    )
    return {verdict.question: verdict for verdict in found if verdict}


def close_runs(evidence: Evidence) -> dict[str, list[str]]:
    """The runs that each of those verdicts is computed from; none for the search's."""
    compared = [row.run for row in reported.ROWS if row.learns and comparable(row, evidence)]
    runs = {
        "reported": compared,
        "shallow": ["three_layer", "three_layer_bn"],
        "sigma_1e-1": ["sigma_1e-1", "sigma_1e-1_bn"],
        "start": [name for pair in batch_norm.sigma_pairs(evidence) for name in pair],
        SEARCH: [],
        "cycles": ["best_two_cycles", "best_three_cycles"],
    }
    return {name: runs[name] for name in close_verdicts(evidence)}


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
    for name, names in close_runs(evidence).items():
        runs = {run: effective(evidence.runs[run].settings) for run in sorted(names)}
        digests[name] = _digest({"images": images, "runs": search if name == SEARCH else runs})
    return digests


def _digest(settings: Any) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def table(verdicts: Sequence[Verdict], seeds: str, digests: Mapping[str, str]) -> pd.DataFrame:
    """A row for each verdict, in points, with the digest of its settings."""
    rows = []
    for verdict in verdicts:
        number = verdict.estimate
        numbers = (number.mean, *(number.interval or [number.mean] * 2)) if number else (0.0,) * 3
        points = [round(100 * value, 4) for value in numbers]
        about = (verdict.question, seeds, verdict.direction, verdict.word)
        rows.append((*about, *points, digests[verdict.question]))
    return pd.DataFrame(rows, columns=VERDICTS.split())


def section(evidence: Evidence) -> Section:
    """The study's verdicts beside those of the fresh seeds."""
    again, ours = evidence.stability, close_verdicts(evidence)
    if again is None or not ours:
        why = "`klayer stability`, which trains fresh seeds, has not been run"
        return unanswered("stability", TITLE, "Not known", why if ours else "no question is close")
    digests = settings_digests(evidence)
    present = again[again["settings"] == again["question"].map(digests)]
    outdated = [IN_WORDS[name] for name in ours if name not in set(present["question"])]
    if present.empty:
        return unanswered("stability", TITLE, "Not known", f"{STABILITY} was {OUTDATED}")
    rows, same, changed = [], 0, {}
    for row in present.to_dict("records"):
        verdict = ours[row["question"]]
        equal = verdict.direction == row["direction"]
        judged = verdict.share is not None and row["direction"] != NOT_JUDGED
        if judged and equal:
            same += 1
        elif judged:
            changed[IN_WORDS[row["question"]]] = verdict.certainty
        rows.append(
            (
                IN_WORDS[row["question"]],
                f"{verdict.direction} ({verdict.certainty})",
                f"{row['direction']} ({CERTAINTY.get(row['word'], row['word'])})",
                row["seeds"],
                words.points(row["estimate"] / 100),
                ("yes" if equal else "no") if judged else NOT_JUDGED,
            )
        )
    head = ("question", "the study", "fresh seeds", "which", "their estimate (points)", "same")
    return question(
        "stability",
        TITLE,
        blocks=[Table("Answers of the study and of fresh seeds", head, rows, SOURCE)],
        same=same,
        changed=changed,
        outdated=outdated,
        made=OUTDATED,
    )


def verdicts(evidence: Evidence) -> dict[str, Verdict]:
    """By question: all that redrawn seeds or simulated searches judge."""
    deep = [batch_norm.trainable(evidence, name) for name in ("nine_layer_bn", "nine_layer_he")]
    best = [schedules.agreement(evidence, evidence.runs[name]) for name in evidence.schedules]
    others = {verdict.question: verdict for verdict in (*deep, *best) if verdict}
    return {**close_verdicts(evidence), **others}


def study_digest(evidence: Evidence) -> str:
    """Of the settings of all runs; the best λ, which the search finds, has no part in it."""
    runs = {name: effective(run.settings) for name, run in sorted(evidence.runs.items())}
    for name in evidence.schedules:
        runs[name].pop("l2", None)
    return _digest([runs, sorted(evidence.images.get("sha256", ()))])


def earlier(evidence: Evidence) -> str:
    """Which verdicts are the same as in the earlier run; empty where the two do not compare."""
    before = evidence.earlier
    if before is None or not (before["settings"] == study_digest(evidence)).all():
        return ""
    now, changed, count = verdicts(evidence), [], 0
    for row in before.to_dict("records"):
        verdict = now.get(row["question"])
        if verdict and verdict.share is not None:
            count += 1
            if verdict.direction != row["direction"]:
                changed.append(_named(evidence, row["question"]))
    return sentence("report.j2", "earlier", {"count": count, "changed": changed}) if count else ""


def _named(evidence: Evidence, name: str) -> str:
    run = evidence.runs.get(name)
    return f"the schedule {schedule(run)}" if run else IN_WORDS[name]
