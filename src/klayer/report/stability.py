"""Would other seeds say the same? The verdicts beside those of fresh seeds, and beside those of an
earlier run of the whole study.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from klayer.report import batch_norm, l2, reference, reported, words
from klayer.report.evidence import Evidence, Unanswered, read_table
from klayer.report.page import Table, asks, attempt
from klayer.report.statistics import NOT_JUDGED, Verdict

FRESH = Path("plots/stability.csv")  # of `klayer stability`
EARLIER = Path("plots/earlier.csv")  # verdicts of an earlier run of the whole study
COLUMNS = "question seeds direction word estimate low high settings"
OUTDATED = "made with other settings: run `klayer stability`"
SEARCH = "l2"  # the question that the search answers
# The page's word for a verdict's word in plots/.
CERTAINTY = {"shown": "clear", "not shown": "clear", "suggested": "uncertain"}


# Questions by their names in docs/evidence.md: a title, and the function that computes the verdict.
# In the close questions a few tenths of a point decide.
Question = tuple[str, Callable[[Evidence], Verdict]]
CLOSE: dict[str, Question] = {
    "reported": ("reported numbers", reported.together),
    "shallow": ("BN in 3 layers", partial(batch_norm.gain, name="three_layer")),
    "sigma_1e-1": ("BN at σ = 0.1", partial(batch_norm.gain, name="sigma_1e-1")),
    "start": ("BN and initial weights", batch_norm.start),
    SEARCH: ("L2", lambda evidence: l2.Search(evidence.search_runs).verdict),
    "cycles": ("third cycle", reported.cycles),
}
OTHERS: dict[str, Question] = {
    "deep": ("BN in 9 layers", partial(batch_norm.trainable, better="nine_layer_bn")),
    "he": ("He initialisation", partial(batch_norm.trainable, better="nine_layer_he")),
}


def close_answers(evidence: Evidence) -> dict[str, tuple[Verdict, list[str]]]:
    """The verdict on each close question whose runs exist, with the names of the runs that it is
    computed from. The verdict on L2 has none, as it is computed from the search.
    """
    answers = {}
    for name, (_, compute) in CLOSE.items():
        evidence.asked.clear()
        if verdict := attempt(compute, evidence):
            answers[name] = verdict, sorted(evidence.asked)
    return answers


def settings_digests(evidence: Evidence) -> dict[str, str]:
    """A digest of the settings behind each verdict: those of its runs or of the search, and of the
    images. Seeds, settings that are off, and settings that change no network are left out.
    """
    data = evidence.sections["data"]
    keys = ["source", "validation", *(["synthetic_seed"] * (data["source"] == "synthetic"))]
    files = sorted(reference.digests(data["sha256"]))
    images = {key: data[key] for key in keys} | {"files": files}
    fine = evidence.search_runs[evidence.search_runs["phase"] != "coarse"]
    search = words.effective(evidence.searching) | {"values": sorted(set(fine["l2"].tolist()))}
    del search["l2"]
    digests = {}
    for name, (_, names) in close_answers(evidence).items():
        runs = {run: words.effective(evidence.runs[run].settings) for run in names}
        digests[name] = _digest({"images": images, "runs": search if name == SEARCH else runs})
    return digests


def study_digest(evidence: Evidence) -> str:
    """A digest of the settings of all runs of the study. The user's own experiments are left out,
    and so is the best λ, which the search finds.
    """
    study = [run for run in evidence.runs.values() if not reference.is_own(run)]
    runs = {run.name: words.effective(run.settings) for run in study}
    for name in evidence.schedules:
        del runs[name]["l2"]
    return _digest([runs, sorted(evidence.sections["data"]["sha256"])])


def _digest(settings: Any) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def table(evidence: Evidence, seeds: str, digests: Mapping[str, str]) -> pd.DataFrame:
    """A row for each close verdict, in points, with the digest of its settings."""
    rows = []
    for name, (verdict, _) in close_answers(evidence).items():
        number = verdict.estimate
        mean = number.mean if number else 0.0
        low, high = (number and number.interval) or (mean, mean)
        points = [round(100 * value, 4) for value in (mean, low, high)]
        rows.append((name, seeds, verdict.direction, verdict.word, *points, digests[name]))
    return pd.DataFrame(rows, columns=COLUMNS.split())


@asks("stability", "Would other seeds say the same?")
def section(evidence: Evidence) -> dict[str, Any]:
    """Each verdict of the study beside that of the fresh seeds and that of the earlier run."""
    if not FRESH.exists():
        raise Unanswered("`klayer stability`, which trains fresh seeds, has not been run")
    fresh, earlier = fresh_verdicts(evidence), _earlier(evidence)
    rows: list[tuple[str, ...]] = []
    same, changed, same_before = 0, dict[str, str](), list[bool]()
    questions = CLOSE | OTHERS
    for run in map(evidence.run, evidence.schedules):
        agreement = partial(reported.agreement, run=run)
        questions[run.name] = f"best λ: {reference.schedule(run)}", agreement
    for name, (title, compute) in questions.items():
        if not (verdict := attempt(compute, evidence)):
            continue
        tables = [table[table["question"] == name] for table in (fresh, earlier)]
        cells = ["; ".join(_answer(row) for _, row in table.iterrows()) for table in tables]
        if name in CLOSE and not cells[0]:
            cells[0] = OUTDATED
        rows.append((title, f"{verdict.direction} ({verdict.certainty})", *cells))
        if verdict.share is not None:
            judged = [table["direction"][table["direction"] != NOT_JUDGED] for table in tables]
            same_now, same_then = (list(directions == verdict.direction) for directions in judged)
            same, same_before = same + sum(same_now), same_before + same_then
            if not all(same_now):
                changed[title] = verdict.certainty
    seeds = ", ".join(dict.fromkeys(fresh["seeds"])) or "none"
    head = ("question", "the study", f"fresh seeds ({seeds})", "an earlier run of the study")
    caption = "Answers of the study, of seeds that it did not use, and of an earlier run"
    answers = Table(caption, head, rows, f"{FRESH}, {EARLIER} · klayer stability")
    return {"blocks": [answers], "same": same, "changed": changed, "before": same_before}


def fresh_verdicts(evidence: Evidence) -> pd.DataFrame:
    """The rows of plots/stability.csv that were made with the present settings."""
    table = read_table(FRESH, COLUMNS)
    return table[table["settings"] == table["question"].map(settings_digests(evidence))]


def _earlier(evidence: Evidence) -> pd.DataFrame:
    """The rows of plots/earlier.csv that were made with the present settings; none where the file
    is missing or the images are not the report's.
    """
    columns = "question direction word settings"
    if not EARLIER.exists() or reference.other_images(evidence):
        return pd.DataFrame(columns=columns.split())
    table = read_table(EARLIER, columns)
    return table[table["settings"] == study_digest(evidence)]


def _answer(row: pd.Series[Any]) -> str:
    """A verdict from a row of a table: helps (clear), +0.63 points."""
    text = f"{row['direction']} ({CERTAINTY.get(row['word'], row['word'])})"
    return f"{text}, {words.points(row['estimate'] / 100)} points" if "estimate" in row else text
