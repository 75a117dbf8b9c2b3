"""Every run of params.yaml: what it changes, its accuracy, and the run that differs in BN alone."""

from __future__ import annotations

from klayer.report import words
from klayer.report.comparison import differences, more_than_bn, normalises
from klayer.report.document import Section, Table
from klayer.report.evidence import Evidence, Run
from klayer.report.statistics import estimate, paired_difference

HEAD = (
    "run",
    "seeds",
    "test accuracy (mean ± std)",
    "BN's gain (points)",
    "what differs from training",
)
SOURCE = "params.yaml, plots/seeds/NAME.csv · stages train, train_best · dvc repro"


def section(evidence: Evidence) -> Section:
    """A row for each run, experiments of the user's own among them."""
    runs = list(evidence.runs.values())
    networks = sum(len(run.seeds) for run in runs)
    said = (
        f"{words.count(len(runs), 'run')} with {words.count(networks, 'network')} in all, each "
        "trained from its seed and tested once."
    )
    rows = [_row(evidence, run) for run in runs]
    caption = "Every run; BN's gain is against the run that differs in BN alone, over their seeds"
    return Section("runs", "Which runs are there?", said, (Table(caption, HEAD, rows, SOURCE),))


def _row(evidence: Evidence, run: Run) -> tuple[str, ...]:
    accuracy = words.spread(estimate(run.test_accuracy))
    changes = differences(run.settings, evidence.training) or "nothing"
    return (run.name, str(len(run.seeds)), accuracy, _gains(evidence, run), changes)


def _gains(evidence: Evidence, run: Run) -> str:
    """BN's gain against each run that is equal but for BN."""
    told = []
    for other in evidence.runs.values():
        plain, normalised = (other, run) if normalises(run.settings) else (run, other)
        if plain is normalised or more_than_bn(plain, normalised):
            continue
        gain = paired_difference(normalised.test_accuracy, plain.test_accuracy)
        points = words.points(gain.mean) if gain else "no seed in common"
        told.append(f"{points} ({other.name})")
    return ", ".join(told)
