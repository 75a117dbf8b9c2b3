"""dvc.yaml: what a stage depends on, and tables that fit a screen. Stages write toy values."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from copy import copy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import toy_stage
from clone import Clone
from conftest import ROOT

PARAMS = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
STAGES = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
KEYS = {"train": [*PARAMS["experiments"]], "train_best": [*PARAMS["search"]["schedules"]]}
IMAGES = {"download", "preprocess"}
RUNS = sum(map(len, KEYS.values()))  # an experiment of the user's own adds one
TRAINED = {f"{stage}@{key}" for stage, keys in KEYS.items() for key in keys} | {"search_l2"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """With the outputs of all stages, in toy values, committed."""
    clone = Clone(tmp_path_factory.mktemp("toy"), PARAMS)
    shutil.copy(toy_stage.__file__, clone.folder / "src/klayer/__main__.py")
    (clone.folder / "dvc.lock").unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(clone.folder)
        for stage in STAGES:
            for key in KEYS.get(stage, [""]):
                toy_stage.write_outputs(stage, key)
    clone.run(sys.executable, "-m", "klayer", "settings")  # as it is
    clone.run("dvc", "commit", "--force")
    clone.commit()
    assert clone.stale() == set()
    return clone


@pytest.fixture
def restored(clone: Clone) -> Iterator[Clone]:
    """The clone, for a test that changes it."""
    yield clone
    clone.restore()


@pytest.mark.parametrize(
    ("path", "stale"),
    [
        ("README.md", set()),
        ("src/klayer/cli.py", set()),
        ("src/klayer/kernels/products.py", {"check_gradients"} | TRAINED),
        ("src/klayer/data/dataset.py", IMAGES | {"check_gradients"} | TRAINED),
        ("src/klayer/data/corruptions.py", IMAGES | TRAINED),
        ("src/klayer/settings.py", {"settings", "check_gradients"} | IMAGES | TRAINED),
        ("src/klayer/stages/report.py", {"report"}),
        ("src/klayer/networks/batch_norm.py", {"check_gradients"} | TRAINED),
        ("src/klayer/training/trainer.py", TRAINED),
        ("src/klayer/stages/train.py", TRAINED - {"search_l2"}),
        ("src/klayer/stages/search_l2.py", {"search_l2"}),
    ],
)
def test_an_edit_reaches_what_it_can_change(restored: Clone, path: str, stale: set[str]) -> None:
    file = restored.folder / path
    file.write_text(file.read_text() + "# edited\n")
    assert restored.stale() == stale


@pytest.mark.parametrize(
    ("right", "other", "stale"),
    [
        ("  sigma: 0.1\n", "  sigma: 0.2\n", {"train@sigma_1e-1", "report"}),
        ("  count: 12\n", "  count: 13\n", {"search_l2", "report"}),
        ("  images: 8\n", "  images: 9\n", {"check_gradients"}),
        ("timeout: 15", "timeout: 16", set()),
    ],
)
def test_a_setting_reaches_what_it_can_change(
    restored: Clone, right: str, other: str, stale: set[str]
) -> None:
    path = restored.folder / "params.yaml"
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, other, 1))
    restored.run("dvc", "repro", "settings")
    assert restored.stale() == stale


def test_going_back_to_an_old_setting_trains_nothing(restored: Clone) -> None:
    path, stage = restored.folder / "params.yaml", "train@sigma_1e-1"
    before = path.read_text()
    restored.run("dvc", "repro", stage)
    path.write_text(before.replace("  sigma: 0.1\n", "  sigma: 0.2\n", 1))
    assert f"Running stage '{stage}'" in restored.run("dvc", "repro", stage)
    path.write_text(before)
    assert f"Stage '{stage}' is cached - skipping run" in restored.run("dvc", "repro", stage)


@pytest.mark.parametrize(
    ("library", "stale"),
    [("numba", IMAGES | {"check_gradients"} | TRAINED), ("matplotlib", set()), ("ruff", set())],
)
def test_a_library_reaches_what_it_can_change(
    restored: Clone, library: str, stale: set[str]
) -> None:
    path = restored.folder / "requirements.lock"
    path.write_text(re.sub(rf"(?m)^{library}==", rf"{library}==9.", path.read_text(), count=1))
    restored.run("dvc", "repro", "settings")
    assert restored.stale() == stale | {"report"}


def test_dvc_lock_holds_no_stage_of_the_past(clone: Clone) -> None:
    for folder in (ROOT, clone.folder):
        locked = YAML(typ="safe", pure=True).load(folder / "dvc.lock")["stages"]
        expanded = {f"{stage}@{key}" for stage, keys in KEYS.items() for key in keys}
        assert set(locked) == set(STAGES) - set(KEYS) | expanded


def test_one_number_changed_shows_few_rows_and_columns(restored: Clone) -> None:
    lines = restored.run("dvc", "metrics", "show").splitlines()
    assert max(map(len, lines)) <= 140
    output = restored.run("dvc", "exp", "run", "-S", "+experiments.nine_layer.l2=0.025")
    ran = re.findall(r"Running stage .(\S+).:", output)
    assert ran == ["settings", "train@nine_layer", "report"]
    rows = restored.run("dvc", "metrics", "diff").strip().splitlines()[1:]
    assert 0 < len(rows) <= 8
    assert all("metrics/train/nine_layer.json" in row for row in rows)
    shown = restored.run("dvc", "exp", "show", "--only-changed", "--csv")
    assert len(shown.splitlines()[0].split(",")) <= 13


def test_the_line_of_the_readme_goes_back(restored: Clone) -> None:
    """From an experiment that was added, and from one that was taken away with its results."""
    (line,) = re.findall(r"^git restore .*", (ROOT / "README.md").read_text(), re.MULTILINE)
    restored.run("dvc", "exp", "run", "-S", "+experiments.wide.hidden=[200, 200]")
    path = restored.folder / "params.yaml"
    path.write_text(re.sub(r"  nine_layer:\n(    .*\n)+", "", path.read_text()))
    output = restored.run("dvc", "repro", "settings")
    assert "params.yaml does not have nine_layer, whose results are still here" in output
    restored.run("sh", "-c", re.findall(r"^ *(rm -r -- .*)$", output, re.MULTILINE)[0])
    assert " D metrics/train/nine_layer.json" in restored.changed()
    assert "?? metrics/train/wide.json" in restored.changed()
    restored.run("sh", "-c", line)
    assert restored.changed() == ""
    assert restored.stale() == set()
    assert not (restored.folder / "data/models/wide.safetensors").exists()


@pytest.mark.parametrize(
    ("right", "wrong"), [("bn_momentum: 0.9", "bn_momentum: 9"), ("l2: 0.005", "l3: 0.005")]
)
def test_a_mistake_in_params_loses_no_result(restored: Clone, right: str, wrong: str) -> None:
    path = restored.folder / "params.yaml"
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    with pytest.raises(AssertionError, match=r"params\.yaml: training"):
        restored.run("dvc", "repro")
    assert restored.changed() == " M params.yaml\n"


def test_a_failed_experiment_says_how_to_undo_its_settings(restored: Clone) -> None:
    with pytest.raises(AssertionError, match=r"to undo what .* git checkout params"):
        restored.run("dvc", "exp", "run", "-S", "training.bn_momentum=9")
    assert restored.changed() == " M params.yaml\n"
    restored.run("git", "checkout", "params.yaml")
    assert restored.changed() == ""


def test_what_others_pushed_needs_no_training(restored: Clone, tmp_path: Path) -> None:
    """A remote, a fresh clone, `dvc pull`: `dvc repro` has nothing to do."""
    remote = ("--default", "storage", str(tmp_path / "remote"))
    restored.run("dvc", "remote", "add", *remote)
    restored.run("dvc", "push")
    restored.run("git", "clone", "--quiet", ".", str(tmp_path / "fresh"))
    fresh = copy(restored)
    fresh.folder = tmp_path / "fresh"
    fresh.env = restored.env | {"PYTHONPATH": str(fresh.folder / "src")}
    fresh.run("dvc", "remote", "add", "--local", *remote)  # Git does not see it
    fresh.run("dvc", "pull")
    assert "Data and pipelines are up to date." in fresh.run("dvc", "repro")
    assert fresh.changed() == ""
