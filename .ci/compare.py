"""After a run of the study: nothing may differ from what is committed.

Where the kernels are not the portable ones (another kind of processor) bytes may differ. There the
accuracies of the committed metrics are compared instead: each may move by TOLERANCE and by two
standard errors of its mean over the seeds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from klayer.running import arithmetic

TOLERANCE = 0.01  # an accuracy; single networks move by up to half of it


def changed() -> list[str]:
    """What Git sees as changed."""
    command = ["git", "status", "--porcelain"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def moved() -> list[str]:
    """Accuracies of the runs that are too far from the committed ones."""
    wrong = []
    for path in sorted(Path("metrics/train").glob("*.json")):
        show = ["git", "show", f"HEAD:{path.as_posix()}"]
        before = json.loads(subprocess.check_output(show, text=True))
        now = json.loads(path.read_text())
        rows = len(Path(f"plots/seeds/{path.stem}.csv").read_text().splitlines()) - 1
        error = before["test_accuracy_std"] / max(rows, 1) ** 0.5
        gap = abs(now["test_accuracy"] - before["test_accuracy"])
        if gap > TOLERANCE + 2 * error:
            wrong.append(f"{path}: test_accuracy moved by {gap:.4f}")
    return wrong


if __name__ == "__main__":
    if kernels := arithmetic.in_use():
        print(f"compared within tolerance: {kernels}")
        sys.exit("\n".join(["the study does not repeat:", *wrong]) if (wrong := moved()) else 0)
    if differs := changed():
        sys.exit("\n".join(["the study does not repeat byte for byte:", *differs]))
    print("every committed byte came out again")
