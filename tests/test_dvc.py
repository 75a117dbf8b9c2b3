"""dvc.yaml: what a stage depends on, and tables that fit a screen. Stages write toy values."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from ruamel.yaml import YAML

import toy_stage
from clone import Clone
from conftest import ROOT

PARAMS = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
STAGES = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
KEYS = {"train": [*PARAMS["experiments"]], "train_best": [*PARAMS["search"]["schedules"]]}
TRAINED = {f"{stage}@{key}" for stage, keys in KEYS.items() for key in keys} | {"search_l2"}
# How images are fetched does not change what is fetched.
ONLY_HOW = {"data.mirrors", "data.connect_timeout", "data.slow_rate", "data.slow_seconds"}
# What cannot change a number: the workers and kept parts (test_workers.py, test_checkpoints.py),
# how files are written (test_files.py), reading of what is itself a dependency, messages.
NO_NUMBER = ("klayer.running", "klayer.files", "klayer.data", "klayer.params", "klayer.errors")


def definition(stage: str) -> dict:
    return STAGES[stage].get("do", STAGES[stage])


def test_it_fits_a_few_screens() -> None:
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 200


@pytest.mark.parametrize("stage", STAGES)
def test_the_command_is_the_stage(stage: str) -> None:
    command = stage.replace("_", "-")
    start = f"PYTHONPATH=src exec python -m klayer {command}"
    assert definition(stage)["cmd"] in (start, f"{start} ${{key}}")


def test_every_setting_is_a_parameter_of_a_stage() -> None:
    used = {p.split(".${")[0] for stage in STAGES for p in definition(stage).get("params", [])}
    keys = {f"{section}.{key}" for section in PARAMS for key in PARAMS[section]}
    unused = {key for key in keys if key not in used and key.split(".")[0] not in used}
    assert unused == ONLY_HOW


@pytest.mark.parametrize("stage", sorted(set(STAGES) - {"check_params"}))
def test_all_that_a_stage_imports_is_a_dependency(stage: str) -> None:
    module = f"klayer.stages.{stage}"
    imported = {module, *grimp.build_graph("klayer").find_upstream_modules(module)} - {"klayer"}
    dependencies = [dep for dep in definition(stage)["deps"] if dep.startswith("src/")]
    for name in imported:
        path = "src/" + name.replace(".", "/")
        named = any(path == dep.removesuffix(".py") or path.startswith(dep) for dep in dependencies)
        assert (
            named
            or name.startswith((*NO_NUMBER, "klayer.stages.__init__"))
            or (
                name.count(".") == 1  # a package holds a sentence, no code
            )
        ), name


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
    clone.run("dvc", "commit", "--force", "--quiet")
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
        ("docs/reliability.md", set()),
        ("src/klayer/cli.py", set()),
        ("src/klayer/running/workers.py", set()),
        ("src/klayer/running/progress.py", set()),
        ("src/klayer/study/verify.py", set()),
        ("src/klayer/report/words.py", {"report"}),
        ("src/klayer/stages/report.py", {"report"}),
        ("src/klayer/networks/batch_norm.py", {"check_gradients"} | TRAINED),
        ("src/klayer/training/trainer.py", TRAINED),
        ("requirements.lock", {"preprocess", "check_gradients", "report"} | TRAINED),
    ],
)
def test_an_edit_reaches_what_it_can_change(restored: Clone, path: str, stale: set[str]) -> None:
    with (restored.folder / path).open("a") as file:
        file.write("# edited\n")
    assert restored.stale() == stale


def test_the_tables_of_metrics_fit_a_screen(clone: Clone) -> None:
    lines = clone.run("dvc", "metrics", "show").splitlines()
    assert max(map(len, lines)) <= 140
    assert columns(clone.run("dvc", "exp", "show", "--csv")) <= 200


def test_one_number_changed_shows_few_rows_and_columns(restored: Clone) -> None:
    output = restored.run("dvc", "exp", "run", "-S", "+experiments.nine_layer.l2=0.025")
    assert "Running stage 'train@nine_layer'" in output
    assert output.count("Running stage") <= 3  # with check_params and report
    rows = restored.run("dvc", "metrics", "diff").strip().splitlines()[1:]
    assert 0 < len(rows) <= 8
    assert all("metrics/train/nine_layer.json" in row for row in rows)
    assert columns(restored.run("dvc", "exp", "show", "--only-changed", "--csv")) <= 12


def columns(table: str) -> int:
    return len(table.splitlines()[0].split(","))


@pytest.mark.parametrize(
    ("right", "wrong"), [("momentum: 0.9", "momentum: 9"), ("l2: 0.005", "l3: 0.005")]
)
def test_a_mistake_in_params_loses_no_result(restored: Clone, right: str, wrong: str) -> None:
    path = restored.folder / "params.yaml"
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    with pytest.raises(AssertionError, match=r"params\.yaml: training"):
        restored.run("dvc", "repro")
    assert restored.changed() == " M params.yaml\n"


def test_no_line_ending_is_changed_on_checkout(clone: Clone, tmp_path: Path) -> None:
    command = ["git", "-c", "core.autocrlf=true", "clone", "--quiet", str(clone.folder)]
    clone.run(*command, str(tmp_path / "windows"))
    for name in ("params.yaml", "src/klayer/cli.py", "requirements.lock"):
        assert b"\r" not in (tmp_path / "windows" / name).read_bytes(), name


def test_the_folder_for_data_is_there_in_a_clone(clone: Clone) -> None:
    tracked = clone.run("git", "ls-files", "data").split()
    assert tracked == ["data/README.md"]
    assert os.path.isdir(clone.folder / "data/processed")
