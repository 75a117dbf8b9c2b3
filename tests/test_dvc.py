"""dvc.yaml: what reaches which stage, a table of metrics that fits a screen, charts of columns
that exist."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
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


COLUMNS = {  # that a template takes besides the axes
    "klayer_curves": ["validation_accuracy", "train_accuracy", "validation_loss", "train_loss"],
    "klayer_layers": ["step"],
    "klayer_search": ["phase"],
    "klayer_gradients": ["network"],
    "klayer_study": ["variant"],
    "klayer_study_curves": ["variant", "value"],
}


def charts(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every table that DVC draws in a pipeline, once for each run, with its axes."""
    pipeline, params = (READER.load(folder / name) for name in ("dvc.yaml", "params.yaml"))
    for stage in pipeline["stages"].values():
        keys: Any = params
        for part in stage.get("foreach", "").strip("${}").split("."):
            keys = keys[part] if part else [""]
        for entry in stage.get("do", stage).get("plots", []):
            ((name, axes),) = entry.items()
            if name.endswith(".csv"):
                yield from ((name.replace("${key}", key), axes) for key in keys)
    for chart in pipeline.get("plots", []):
        for axes in chart.values():
            yield from ((name, axes | {"y": column}) for name, column in axes["y"].items())


def test_each_table_is_drawn_over_columns_that_it_has_by_a_template_that_exists() -> None:
    used = set()
    for folder in (ROOT, ROOT / "studies"):
        found = list(charts(folder))
        assert len(found) > 20
        for name, axes in found:
            columns, template = set(pd.read_csv(folder / name, nrows=1)), axes["template"]
            assert {axes["x"], axes["y"], *COLUMNS.get(template, [])} <= columns, name
            used.add(template)
    templates = {path.stem: json.loads(path.read_text()) for path in ROOT.glob(".dvc/plots/*")}
    assert set(templates) == used


@pytest.mark.parametrize("folder", ["", "studies"])
def test_the_lock_names_the_present_code(folder: str) -> None:
    """With an older one, a small change of settings would train everything again."""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    status = subprocess.run(command, cwd=ROOT / folder, capture_output=True, check=True)
    changed = {
        path
        for entries in json.loads(status.stdout).values()
        for entry in entries
        if isinstance(entry, dict)
        for path, state in entry.get("changed deps", {}).items()
        if state == "modified"
    }
    assert {path for path in changed if path.startswith(("src", "requirements"))} == set()
