"""Stands in for `klayer`: writes the outputs of a stage of dvc.yaml, with toy values, at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ruamel.yaml import YAML

STAGES = YAML(typ="safe", pure=True).load(Path("dvc.yaml"))["stages"]
TRAINED = {
    "test_accuracy": 0.53741,
    "test_accuracy_std": 0.00331,
    "val_acc": 0.54182,
    "train_acc": 0.61904,
    "failed": 0,
}
METRICS = {
    "metrics/data.json": {"synthetic": 0},
    "metrics/check_gradients.json": {"error": 1.23456e-8},
    "metrics/search_l2.json": {"l2": 0.00429193, "val_acc": 0.53127},
}


def main(command: str, key: str = "") -> None:
    stage = STAGES[command.replace("-", "_")]
    stage = stage.get("do", stage)
    for kind in ("outs", "metrics", "plots"):
        for out in stage.get(kind, []):
            path = out if isinstance(out, str) else next(iter(out))
            write(Path(path.replace("${key}", key)), kind)


def write(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "metrics":
        changed = sum(Path("params.yaml").read_bytes()) % 97 / 1e4  # other settings, other numbers
        values = METRICS.get(str(path)) or {k: v + changed for k, v in TRAINED.items()}
        path.write_text(json.dumps(values))
    elif path.suffix:
        path.write_text(f"step,value\n0,{path.stem}\n")
    else:
        path.mkdir(exist_ok=True)
        (path / "file").write_text(path.stem)


if __name__ == "__main__":
    main(*sys.argv[1:])
