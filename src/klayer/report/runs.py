"""Every run: what it is, its accuracy, and the run that differs in BN alone. The user's own
experiments are drawn.
"""

from __future__ import annotations

from klayer.report import words
from klayer.report.charts import Line, learning_rate_panels, source, training_panel
from klayer.report.comparison import differences, label, normalises, only_bn, own
from klayer.report.document import Figure, Section, Table
from klayer.report.drawing import OTHERS
from klayer.report.evidence import Evidence, Run, Unanswered
from klayer.report.page import question
from klayer.report.reference import BN, DEEP
from klayer.report.verdicts import compared

START = ("initialisation", "sigma")
HEAD = ("name", "network", "besides", "failed", "test (%)", "BN's gain (points)")
SOURCE = "params.yaml, plots/seeds/*.csv · dvc repro train train_best"


def section(evidence: Evidence) -> Section:
    """A row for each run; curves of experiments that the study does not have."""
    runs = list(evidence.runs.values())
    mine = [run for run in runs if own(run)]
    lines = [Line(run.name, OTHERS[i % len(OTHERS)], run) for i, run in enumerate(mine)]
    panels = [training_panel(lines, measure) for measure in ("accuracy", "loss")]
    panels += learning_rate_panels(lines)
    how_to_get = source("plots/train/*.csv", mine)
    figure = Figure("own", "Your own experiments; mean ± std over seeds.", panels, how_to_get)
    caption = (
        "Every run (name in params.yaml; mean ± std over seeds; BN's gain, with its 95 % "
        "interval, over the run that differs in BN alone)"
    )
    table = Table(caption, HEAD, [_row(evidence, run) for run in runs], SOURCE)
    return question(
        "runs",
        "Which runs are there?",
        blocks=[figure, table] if mine else [table],
        runs=runs,
        mine=[run.name for run in mine],
        searched=len(evidence.search_runs),
    )


def _row(evidence: Evidence, run: Run) -> tuple[str, ...]:
    network = {**DEEP, "block": BN}  # what the label of a network says
    labelled = [key for key, value in network.items() if run.settings[key] == value]
    changes = differences(run.settings, evidence.sections["training"], [*labelled, *START])
    numbers = (run.failed, words.spread(run.test_accuracy), _gain(evidence, run))
    return (run.name, label(run.settings), changes, *numbers)


def _gain(evidence: Evidence, run: Run) -> str:
    """BN's gain over each run without BN that is equal in all else."""
    gains = []
    for other in evidence.runs.values() if normalises(run.settings) else ():
        try:
            only_bn((other, run))
        except Unanswered:
            continue
        verdict = compared(other.test_accuracy, run.test_accuracy, run.name)
        over = "" if run.name == f"{other.name}_bn" else f" over {other.name}"
        gains.append(words.brief(verdict) + over)
    return ", ".join(gains)
