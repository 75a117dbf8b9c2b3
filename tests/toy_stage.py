"""Stands in for `python -m klayer`: writes the outputs of a stage of dvc.yaml, with toy values."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ruamel.yaml import YAML

TRAINED = {
    "test_accuracy": 0.53741,
    "test_accuracy_std": 0.00331,
    "validation_accuracy": 0.54182,
}
METRICS = {
    "metrics/data.json": {"synthetic": 0},
    "metrics/check_gradients.json": {"worst": 1.23456e-8},
    "metrics/search_l2.json": {"best_l2": 0.00429193, "validation_accuracy": 0.53127},
}


def write_outputs(command: str, key: str = "") -> None:
    """The outputs of a stage in the working folder; numbers move with params.yaml."""
    stages = YAML(typ="safe", pure=True).load(Path("dvc.yaml"))["stages"]
    stage = stages[command.replace("-", "_")]
    stage = stage.get("do", stage)
    for kind in ("outs", "metrics", "plots"):
        for out in stage.get(kind, []):
            path = out if isinstance(out, str) else next(iter(out))
            _write(Path(path.replace("${key}", key)))


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        moved = sum(Path("params.yaml").read_bytes()) % 97 / 1e4
        toy = METRICS.get(path.as_posix()) or {k: v and v + moved for k, v in TRAINED.items()}
        path.write_text(json.dumps(toy))
    elif path.suffix:
        path.write_text(f"step,value\n0,{path.stem}\n")
    else:
        path.mkdir(exist_ok=True)
        (path / "file").write_text(path.stem)


if __name__ == "__main__":
    if sys.argv[1] == "settings":  # this one as it is
        from klayer.cli import main

        main()
    write_outputs(*sys.argv[1:])
