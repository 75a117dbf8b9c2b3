"""The verdicts of an earlier run of the whole study, beside the present ones.

plots/earlier.csv has a row for each question: direction, word, and a digest of the settings of all
runs, without which the two are not compared.
"""

from __future__ import annotations

import hashlib
import json

import pandas as pd

from klayer.report import question_depth, question_schedules, words
from klayer.report.comparison import effective
from klayer.report.document import Text
from klayer.report.evidence import Evidence
from klayer.report.stability import close_answers
from klayer.report.verdicts import Verdict


def verdicts(evidence: Evidence) -> dict[str, Verdict]:
    """By question: of all that redrawn seeds or simulated searches judge."""
    deep = [question_depth.answer(evidence, name) for name in ("nine_layer_bn", "nine_layer_he")]
    found = [*close_answers(evidence), *deep, *question_schedules.agreements(evidence)]
    return {answer.question: answer.verdict for answer in found if answer}


def digest(evidence: Evidence) -> str:
    """Of the settings of all runs; the best λ, which the search finds, has no part in it."""
    runs = {name: effective(run.settings) for name, run in sorted(evidence.runs.items())}
    for name in evidence.schedules:
        runs[name].pop("l2", None)
    text = json.dumps([runs, sorted(evidence.images.get("sha256", ()))], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def table(evidence: Evidence) -> pd.DataFrame:
    """A row for each question, as plots/earlier.csv has it."""
    rows = [(name, v.direction, v.word, digest(evidence)) for name, v in verdicts(evidence).items()]
    return pd.DataFrame(rows, columns=["question", "direction", "word", "settings"])


def text(evidence: Evidence) -> Text | None:
    """Which verdicts are the same as in the earlier run; None where the two do not compare."""
    earlier = evidence.earlier
    if earlier is None or not (earlier["settings"] == digest(evidence)).all():
        return None
    now, changed, count = verdicts(evidence), [], 0
    for row in earlier.itertuples():
        verdict = now.get(str(row.question))
        if verdict is not None and verdict.share is not None:
            count += 1
            if verdict.direction != row.direction:
                changed.append((str(row.question), str(row.word)))
    if not count:
        return None
    same = f"{count - len(changed)} of {words.count(count, 'verdict')} are the same"
    told = [f"An earlier run of the whole study, with other arithmetic and other draws: {same}."]
    sure = [name for name, word in changed if word != "suggested"]
    if sure:
        told.append(f"Not the same, though it had them shown or not shown: {', '.join(sure)}.")
    return Text(" ".join(told))
