"""The pipeline in studies/, small, in a clone; a study is added as README says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from clone import GO_BACK, Clone
from conftest import ROOT, tiny_settings, write_params, write_processed

FIRST = {
    "question": "Which statistics?",
    "ask": "statistics",
    "training": {"statistics": ["own", "precise"], "corruptions": ["noise"]},
    "across": {"batch_size": [30, 60]},
    "variants": {"bn": {"block": ["affine", "batch_norm", "relu"]}},
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """With few images and one study, whose results are committed."""
    clone = Clone(tmp_path_factory.mktemp("a clone"), tiny_settings())
    write_processed(clone.folder / "data/processed")
    clone.folder = clone.folder / "studies"
    studies = {"training": tiny_settings()["training"], "studies": {"first": FIRST}}
    write_params(studies, clone.folder / "params.yaml")
    clone.run("dvc", "repro")
    clone.commit()
    return clone


def test_a_second_run_does_nothing_and_a_forced_one_gives_the_same_bytes(clone: Clone) -> None:
    assert "Data and pipelines are up to date." in clone.run("dvc", "repro")
    clone.run("dvc", "repro", "--force", "--single-item", "study@first", "report")
    assert clone.changed() == ""


def test_the_lines_of_readme_add_a_study_seen_everywhere(clone: Clone) -> None:
    blocks = re.findall(r"```yaml\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (lines,) = (block for block in blocks if "question:" in block)
    assert len(lines.splitlines()) == 5
    ((name, study),) = YAML(typ="safe").load(lines).items()
    params: dict[str, Any] = YAML(typ="safe").load(clone.folder / "params.yaml")
    params["studies"][name] = study
    write_params(params, clone.folder / "params.yaml")

    output = clone.run("dvc", "repro")
    stages = re.findall(r"^Running stage '(.+)':$", output, re.MULTILINE)
    assert stages == ["settings", f"study@{name}", "report"]
    metrics = json.loads(clone.run("dvc", "metrics", "show", "--json"))[""]["data"]
    assert 0 <= metrics[f"metrics/{name}.json"]["data"]["test_accuracy"] <= 1
    plots = json.loads(clone.run("dvc", "plots", "show", "--json"))["data"]
    assert [path for path in plots if f"seeds/{name}.csv" in path]
    assert study["question"] in Path(clone.folder / "reports/index.html").read_text()

    clone.run("sh", "-c", GO_BACK)
    assert clone.changed() == ""
    assert clone.stale() == set()


def test_a_mistake_costs_no_result(clone: Clone) -> None:
    path = clone.folder / "params.yaml"
    path.write_text(path.read_text().replace("batch_size:", "batch_sizes:", 1))
    with pytest.raises(AssertionError, match="batch_sizes is not a known key"):
        clone.run("dvc", "repro")
    assert clone.changed() == " M studies/params.yaml\n"
    clone.restore()


def test_the_pipeline_of_the_project_does_not_see_them(clone: Clone) -> None:
    metrics = json.loads(clone.run("dvc", "--cd", "..", "metrics", "show", "--json"))[""]["data"]
    assert [path for path in metrics if "studies" in path] == []
