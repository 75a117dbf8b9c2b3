"""Compares the metrics of the run at hand with the committed ones, and with the published ones.

Accuracies may differ from the committed ones (equal on a machine of the same kind) by TOLERANCE,
from the published ones by CLOSE, and by two standard errors of the mean over our seeds more; by
LEARNT_NOTHING where the published ones are at chance. Those of the search are extremes over single
networks, and may differ by twice TOLERANCE.
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


def scatter(metrics: dict[str, float], key: str) -> float:
    """How far chance may well move an accuracy: two standard errors of its mean over the seeds."""
    if "seeds" not in metrics:
        return TOLERANCE  # the search
    return 2 * metrics[f"{key}_std"] / metrics["seeds"] ** 0.5


def from_committed() -> list[str]:
    """Accuracies that moved away from the committed ones."""
    command = [Path(sys.executable).with_name("dvc"), "metrics", "diff", "--json", "HEAD"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    moved, wrong = 0, []
    for path, keys in json.loads(answer.stdout or "{}").items():
        metrics = read(path.removeprefix("metrics/").removesuffix(".json"))
        for key, change in keys.items():
            if key.endswith("accuracy"):
                moved += 1
                if abs(change.get("diff", 1.0)) > TOLERANCE + scatter(metrics, key):
                    wrong.append(f"{path}: {key} {change.get('old')} -> {change.get('new')}")
    print(f"{moved} accuracies differ from the committed ones, {len(wrong)} by too much")
    return wrong


def from_published() -> list[str]:
    """Test accuracies that are not those of the published report."""
    wrong = []
    for run in (*RUNS, BEST):
        name = run.run if run is BEST else f"train/{run.run}"
        metrics = read(name)
        ours = metrics["test_accuracy"]
        print(f"{run.title}: published {run.test_accuracy}, here {ours:.4f}")
        near = CLOSE + scatter(metrics, "test_accuracy")
        allowed = LEARNT_NOTHING if run.test_accuracy == CHANCE else near
        if abs(ours - run.test_accuracy) > allowed:
            wrong.append(f"{run.title}: published {run.test_accuracy}, here {ours}")
    best = read("search_l2")["coarse_best_validation_accuracy"]
    print(f"coarse search: best validation accuracy {best}")
    return [*wrong, f"coarse search: {best} is below {COARSE}"] if best < COARSE else wrong


if __name__ == "__main__":
    problems = from_committed() + from_published()
    sys.exit("\n".join(["the study does not repeat:", *problems]) if problems else 0)
