"""Compares the metrics of the run at hand with the committed ones, and with the published ones.

Accuracies may differ by TOLERANCE from the committed ones (the same on a machine of the same kind)
and by REPORTED from the published ones.
"""

import json
import subprocess
import sys
from pathlib import Path

from klayer.report.reference import REPORTED_TEST_ACCURACY

TOLERANCE, REPORTED, CHANCE = 0.01, 0.015, 0.005


def committed_differences() -> list[str]:
    """Accuracies that moved away from the committed ones."""
    answer = subprocess.run(
        ["dvc", "metrics", "diff", "--json", "HEAD"], check=True, capture_output=True, text=True
    )
    files = json.loads(answer.stdout or "{}").get("diff", {})
    moved = [
        (abs(change.get("diff", 1.0)), f"{path}: {key} {change.get('old')} -> {change.get('new')}")
        for path, keys in files.items()
        for key, change in keys.items()
        if key.endswith("accuracy")
    ]
    print(f"{len(moved)} accuracies differ from the committed ones (allowed by {TOLERANCE})")
    return [text for size, text in moved if size > TOLERANCE]


def published_differences() -> list[str]:
    """Test accuracies that are not those of the published report."""
    wrong = []
    for name, reported in REPORTED_TEST_ACCURACY.items():
        ours = json.loads(Path(f"metrics/train/{name}.json").read_text())["test_accuracy"]
        allowed = CHANCE if reported == 0.1 else REPORTED
        print(f"{name}: published {reported}, here {ours:.4f}")
        if abs(ours - reported) > allowed:
            wrong.append(f"{name}: published {reported}, here {ours}")
    return wrong


if __name__ == "__main__":
    problems = committed_differences() + published_differences()
    sys.exit("\n".join(["the study does not repeat:", *problems]) if problems else 0)
