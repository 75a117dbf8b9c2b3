"""What `dvc plots` draws: each table with axes and a template that exist."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from conftest import ROOT

YAML_READER = YAML(typ="safe", pure=True)
FOLDED = ["validation_accuracy", "train_accuracy", "validation_loss", "train_loss"]
USED = {  # columns that a template takes besides the axes
    "klayer_curves": FOLDED,
    "klayer_layers": ["step"],
    "klayer_search": ["phase"],
    "klayer_gradients": ["network"],
    "klayer_study": ["variant"],
    "klayer_study_curves": ["variant", "value"],
}


def charts(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every table that DVC draws in a pipeline, once for each run, with its axes."""
    pipeline = YAML_READER.load(folder / "dvc.yaml")
    params = YAML_READER.load(folder / "params.yaml")
    for stage in pipeline["stages"].values():
        keys = [""]
        if path := stage.get("foreach"):
            names: Any = params
            for part in path.strip("${}").split("."):
                names = names[part]
            keys = list(names)
        for entry in stage.get("do", stage).get("plots", []):
            for name, axes in entry.items():
                if name.endswith(".csv"):
                    yield from ((name.replace("${key}", key), axes) for key in keys)
    for chart in pipeline.get("plots", []):
        for axes in chart.values():
            for name, column in axes["y"].items():
                yield name, {**axes, "y": column}


@pytest.mark.parametrize("folder", ["", "studies"])
def test_each_table_is_drawn_over_columns_that_it_has(folder: str) -> None:
    found = list(charts(ROOT / folder))
    assert len(found) > 20
    for name, axes in found:
        columns = set(pd.read_csv(ROOT / folder / name, nrows=1))
        needed = {axes["x"], axes["y"], *USED.get(axes["template"], [])}
        assert needed <= columns, name


def test_each_template_is_used_and_is_json() -> None:
    used = {axes["template"] for folder in ("", "studies") for _, axes in charts(ROOT / folder)}
    files = {path.stem: json.loads(path.read_text()) for path in (ROOT / ".dvc/plots").iterdir()}
    assert set(files) == used
