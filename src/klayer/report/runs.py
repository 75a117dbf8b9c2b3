"""Every run: what it is, its accuracy, and the run that differs in BN alone. The user's own
experiments are drawn.
"""

from __future__ import annotations

from klayer.report import words
from klayer.report.charts import Line, training_figures
from klayer.report.comparison import differences, label, more_than_bn, normalises, own
from klayer.report.document import Section, Table
from klayer.report.drawing import OTHERS
from klayer.report.evidence import Evidence, Run
from klayer.report.page import question
from klayer.report.statistics import estimate, paired_difference

HEAD = (
    "name in params.yaml",
    "what it is",
    "besides, it changes",
    "seeds",
    "test accuracy (%)",
    "BN's gain (points)",
)
SOURCE = "params.yaml, plots/seeds/NAME.csv · stages train, train_best · dvc repro"


def section(evidence: Evidence) -> Section:
    """A row for each run; curves of experiments that the study does not have."""
    runs = list(evidence.runs.values())
    mine = [run for run in runs if own(run)]
    lines = [Line(f"{run.name}", OTHERS[i % len(OTHERS)], run) for i, run in enumerate(mine)]
    shown, more = training_figures("own", "Experiments of your own.", lines) if mine else ((), ())
    caption = "Every run (mean ± std over seeds); BN's gain is over the run that differs in BN alone"
    return question(
        "runs",
        "Which runs are there?",
        blocks=[
            *([shown] if mine else []),
            Table(caption, HEAD, [_row(evidence, run) for run in runs], SOURCE),
        ],
        details=[more] if mine else [],
        runs=runs,
        mine=[run.name for run in mine],
        searched=len(evidence.search_runs),
    )


def _row(evidence: Evidence, run: Run) -> tuple[str, ...]:
    but = ("hidden", "block", "initialisation", "sigma")
    changes = differences(run.settings, evidence.training, but)
    return (
        run.name,
        label(run.settings),
        changes,
        str(len(run.seeds)),
        words.spread(run.test_accuracy),
        _gain(evidence, run),
    )


def _gain(evidence: Evidence, run: Run) -> str:
    """BN's gain over each run without BN that is equal in all else."""
    gains = []
    for other in evidence.runs.values() if normalises(run.settings) else ():
        if not more_than_bn(other, run):
            gain = paired_difference(run.test_accuracy, other.test_accuracy)
            points = words.points(gain.mean) if gain else "no seed in common"
            gains.append(f"{points} over {other.name}")
    return ", ".join(gains)
