"""Compares the metrics of the run at hand with the committed ones, and with the published ones.

Accuracies may differ by TOLERANCE from the committed ones (the same on a machine of the same kind)
and by CLOSE from the published ones, by LEARNT_NOTHING where those are at chance.
"""

import json
import subprocess
import sys
from pathlib import Path

from klayer.report.reference import BEST, CHANCE, CLOSE, RUNS

TOLERANCE, LEARNT_NOTHING = 0.01, 0.005
COARSE = 0.53  # the best validation accuracy of the coarse search is at least so much


def read(name: str) -> dict[str, float]:
    """The metrics of a file."""
    return json.loads(Path(f"metrics/{name}.json").read_text())


def from_committed() -> list[str]:
    """Accuracies that moved away from the committed ones."""
    command = [Path(sys.executable).with_name("dvc"), "metrics", "diff", "--json", "HEAD"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    moved = [
        (abs(change.get("diff", 1.0)), f"{path}: {key} {change.get('old')} -> {change.get('new')}")
        for path, keys in json.loads(answer.stdout or "{}").get("diff", {}).items()
        for key, change in keys.items()
        if "accuracy" in key
    ]
    print(f"{len(moved)} accuracies differ from the committed ones (by {TOLERANCE} at most?)")
    return [text for size, text in moved if size > TOLERANCE]


def from_published() -> list[str]:
    """Test accuracies that are not those of the published report."""
    wrong = []
    for run in (*RUNS, BEST):
        name = run.run if run is BEST else f"train/{run.run}"
        ours = read(name)["test_accuracy"]
        print(f"{run.title}: published {run.test_accuracy}, here {ours:.4f}")
        allowed = LEARNT_NOTHING if run.test_accuracy == CHANCE else CLOSE
        if abs(ours - run.test_accuracy) > allowed:
            wrong.append(f"{run.title}: published {run.test_accuracy}, here {ours}")
    best = read("search_l2")["coarse_best_validation_accuracy"]
    print(f"coarse search: best validation accuracy {best}")
    return [*wrong, f"coarse search: {best} is below {COARSE}"] if best < COARSE else wrong


if __name__ == "__main__":
    problems = from_committed() + from_published()
    sys.exit("\n".join(["the study does not repeat:", *problems]) if problems else 0)
