"""The pipeline in studies/, small, in a clone; a study is added as README says."""

from __future__ import annotations

import json
import re
import shutil
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


def added() -> str:
    """The lines of YAML that README has a reader add to studies/params.yaml."""
    blocks = re.findall(r"```yaml\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (block,) = (block for block in blocks if "question:" in block)
    return str(block)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """With few images and one study, whose results are committed."""
    clone = Clone(tmp_path_factory.mktemp("a clone"), tiny_settings())
    write_processed(clone.folder / "data/processed")
    training = tiny_settings()["training"]
    write_params(
        {"training": training, "studies": {"first": FIRST}}, clone.folder / "studies/params.yaml"
    )
    clone.folder = clone.folder / "studies"
    clone.run("dvc", "repro")
    clone.commit()
    return clone


def ran(output: str) -> list[str]:
    return re.findall(r"^Running stage '(.+)':$", output, re.MULTILINE)


def test_a_second_run_does_nothing_and_a_forced_one_gives_the_same_bytes(clone: Clone) -> None:
    assert "Data and pipelines are up to date." in clone.run("dvc", "repro")
    clone.run("dvc", "repro", "--force")
    assert clone.changed() == ""


def test_the_pipeline_of_the_project_does_not_see_them(clone: Clone) -> None:
    root = Clone.__new__(Clone)
    root.folder, root.env = clone.folder.parent, clone.env
    assert not [stage for stage in root.stale() if "study" in stage]
    shown = json.loads(root.run("dvc", "metrics", "show", "--json"))[""]["data"]
    assert not [path for path in shown if "studies" in path]


def test_the_lines_of_readme_add_a_study_seen_everywhere(clone: Clone) -> None:
    lines = added()
    assert len(lines.splitlines()) == 5
    (study,) = YAML(typ="safe").load(lines).items()
    params: dict[str, Any] = YAML(typ="safe").load(clone.folder / "params.yaml")
    params["studies"] |= {"a_name_never_seen": study[1]}
    write_params(params, clone.folder / "params.yaml")
    clone.run("git", "commit", "--quiet", "--all", "--message", "a study")

    assert ran(clone.run("dvc", "repro")) == ["settings", "study@a_name_never_seen", "report"]
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json"))[""]["data"]
    assert 0 <= shown["metrics/a_name_never_seen.json"]["data"]["test_accuracy"] <= 1
    plots = json.loads(clone.run("dvc", "plots", "show", "--json"))["data"]
    assert [path for path in plots if "seeds/a_name_never_seen.csv" in path]
    assert study[1]["question"] in Path(clone.folder / "reports/index.html").read_text()

    clone.run("git", "reset", "--quiet", "HEAD~1", "params.yaml")  # the line is not committed
    clone.run("git", "commit", "--quiet", "--message", "as before")
    clone.run("sh", "-c", GO_BACK)
    assert clone.changed() == ""
    assert clone.stale() == set()


def test_a_mistake_costs_no_result(clone: Clone) -> None:
    clone.restore()
    text = (clone.folder / "params.yaml").read_text()
    (clone.folder / "params.yaml").write_text(text.replace("batch_size:", "batch_sizes:", 1))
    with pytest.raises(AssertionError, match="batch_sizes is not a known key"):
        clone.run("dvc", "repro")
    assert (clone.folder / "plots/seeds/first.csv").exists()
    clone.restore()


def test_missing_images_cost_no_result(clone: Clone) -> None:
    """As in a fresh clone, whose cache is empty: the last test, as there is no way back."""
    clone.restore()
    for folder in ("settings", "../data/processed", ".dvc/cache"):
        shutil.rmtree(clone.folder / folder)
    with pytest.raises(AssertionError, match=r"data/processed/.+ is missing: run `dvc repro"):
        clone.run("dvc", "repro")
    assert not [line for line in clone.changed().splitlines() if line.startswith(" D")]
