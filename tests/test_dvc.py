"""dvc.yaml: what reaches which stage, and a table of metrics that fits a screen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from ruamel.yaml import YAML

from conftest import ROOT

READER = YAML(typ="safe", pure=True)
PARAMS = READER.load(ROOT / "params.yaml")
STAGES: dict[str, Any] = READER.load(ROOT / "dvc.yaml")["stages"]
KEYS = {"train": [*PARAMS["experiments"]], "train_best": [*PARAMS["search"]["schedules"]]}
IMAGES, TRAINED = {"download", "preprocess"}, {"train", "train_best", "search_l2"}


@pytest.mark.parametrize(
    ("path", "reached"),
    [
        ("README.md", set()),
        ("src/klayer/cli.py", set()),
        ("src/klayer/parallel/runner.py", set()),
        ("src/klayer/kernels/products.py", {"check_gradients"} | TRAINED),
        ("src/klayer/networks/batch_norm.py", {"check_gradients"} | TRAINED),
        ("src/klayer/data/cifar10.py", IMAGES),
        ("src/klayer/data/dataset.py", {"check_gradients"} | IMAGES | TRAINED),
        ("src/klayer/data/corruptions.py", IMAGES | TRAINED),
        ("src/klayer/settings.py", {"settings", "check_gradients"} | IMAGES | TRAINED),
        ("src/klayer/training/trainer.py", TRAINED),
        ("src/klayer/stages/train.py", {"train", "train_best"}),
        ("src/klayer/stages/search_l2.py", {"search_l2"}),
        ("src/klayer/report/words.py", {"report"}),
        ("params.yaml", {"settings"}),
        ("requirements.lock", {"settings", "report"}),
    ],
)
def test_an_edit_reaches_what_it_can_change(path: str, reached: set[str]) -> None:
    around = {path, *map(str, PurePosixPath(path).parents)}
    definitions = {name: entry.get("do", entry) for name, entry in STAGES.items()}
    assert reached == {name for name, stage in definitions.items() if around & set(stage["deps"])}


def test_dvc_lock_holds_no_stage_of_the_past() -> None:
    expanded = {f"{stage}@{key}" for stage, keys in KEYS.items() for key in keys}
    assert set(READER.load(ROOT / "dvc.lock")["stages"]) == set(STAGES) - set(KEYS) | expanded


def test_the_table_of_metrics_fits_a_screen() -> None:
    command = [str(Path(sys.executable).with_name("dvc")), "metrics", "show"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert 0 < max(map(len, shown.splitlines())) <= 130
