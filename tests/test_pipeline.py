"""The whole pipeline, small, in a clean clone."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from clone import GO_BACK, Clone
from conftest import BATCH_NORM, ROOT, tiny_settings, write_params

STAGES = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
PLAIN, WITH_BN, SCHEDULE = "three_layer", "three_layer_bn", "two_cycles"


def small() -> dict[str, Any]:
    params = tiny_settings()
    params["data"]["source"] = "synthetic"
    params["training"]["half_cycle"] = 60
    params["experiments"] = {PLAIN: {"l2": 0.005}, WITH_BN: {"block": BATCH_NORM}}
    params["search"]["schedules"] = {SCHEDULE: {}}
    return params


def ran(output: str) -> list[str]:
    return re.findall(r"^Running stage '(.+)':$", output, re.MULTILINE)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """After a first `dvc repro`, with its results committed."""
    clone = Clone(tmp_path_factory.mktemp("a clone"), small())  # a space in its path, as users have
    output = clone.run("dvc", "repro")
    stages = [f"train@{PLAIN}", f"train@{WITH_BN}", f"train_best@{SCHEDULE}"]
    stages += [stage for stage in STAGES if not stage.startswith("train")]
    assert sorted(ran(output)) == sorted(stages)
    clone.commit()
    return clone


@pytest.fixture
def restored(clone: Clone) -> Iterator[Clone]:
    """The clone, for a test that changes it."""
    yield clone
    clone.restore()


def test_a_second_run_does_nothing(clone: Clone) -> None:
    assert "Data and pipelines are up to date." in clone.run("dvc", "repro")
    assert clone.changed() == ""


def test_a_forced_run_gives_the_same_bytes(clone: Clone) -> None:
    stages = ["check_gradients", f"train@{WITH_BN}", "search_l2", "report"]
    assert sorted(ran(clone.run("dvc", "repro", "-f", "-s", *stages))) == sorted(stages)
    assert clone.changed() == ""


def test_results_say_that_the_images_are_synthetic(clone: Clone) -> None:
    assert json.loads((clone.folder / "metrics/data.json").read_text()) == {"synthetic": 1}
    assert "synthetic" in (clone.folder / "reports/report.md").read_text()


def test_one_experiment_changed_runs_it_alone_and_changed_back_nothing(restored: Clone) -> None:
    stage = f"train@{PLAIN}"
    output = restored.run("dvc", "exp", "run", "-S", f"experiments.{PLAIN}.l2=0.5")
    assert ran(output) == ["settings", stage, "report"]
    metrics = json.loads(restored.run("dvc", "metrics", "diff", "--json"))
    assert set(metrics) == {f"metrics/train/{PLAIN}.json"}
    restored.run("git", "checkout", "params.yaml")
    assert f"Stage '{stage}' is cached - skipping run" in restored.run("dvc", "repro", stage)


def test_a_mistake_in_an_experiment_loses_no_result_and_says_how_to_undo_it(
    restored: Clone,
) -> None:
    with pytest.raises(AssertionError, match=r"(?s)training.bn_momentum.*git checkout params.yaml"):
        restored.run("dvc", "exp", "run", "-S", "training.bn_momentum=9")
    assert restored.changed() == " M params.yaml\n"


def test_one_line_goes_back_from_experiments_added_and_taken_away(restored: Clone) -> None:
    params = small()
    params["experiments"] = {PLAIN: {}, "wide": {"hidden": [9, 9]}}
    write_params(params, restored.folder / "params.yaml")
    output = restored.run("dvc", "repro")
    assert re.search(rf"params.yaml does not have .*{WITH_BN}, whose results are still", output)
    restored.run("sh", "-c", re.findall(r"^ *(rm -r -- .*)$", output, re.MULTILINE)[0])
    assert "?? metrics/train/wide.json" in restored.changed()
    assert f" D metrics/train/{WITH_BN}.json" in restored.changed()
    assert f"\n{GO_BACK}\n" in (ROOT / "README.md").read_text()
    restored.run("git", "add", "params.yaml", "dvc.lock")  # as an experiment that was stopped does
    restored.run("sh", "-c", GO_BACK)
    assert restored.changed() == ""
    assert restored.stale() == set()


def test_a_stage_trains_what_dvc_records_whatever_params_say(restored: Clone) -> None:
    """What is edited while it runs waits for the next run."""
    path = restored.folder / "params.yaml"
    path.write_text(path.read_text().replace("l2: 0.005", "l2: 0.05"))
    restored.run("dvc", "repro", "-f", "-s", f"train@{PLAIN}")
    assert restored.changed() == " M params.yaml\n"
    assert "settings" in restored.stale()


def test_a_queued_experiment_runs_the_code_that_was_queued(restored: Clone) -> None:
    """Not that of the working tree, which the environment and PYTHONPATH name."""
    stage = restored.folder / "src/klayer/stages/preprocess.py"
    code = stage.read_text()
    stage.write_text(code.replace("int(synthetic)", "7"))
    restored.run("dvc", "exp", "run", "--queue", "--name", "edited", "preprocess")
    stage.write_text(code)
    restored.run("dvc", "exp", "run", "--run-all")
    ref = restored.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/edited").strip()
    assert json.loads(restored.run("git", "show", f"{ref}:metrics/data.json")) == {"synthetic": 7}


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_killing_dvc_leaves_no_process_and_the_next_run_ends_well(
    clone: Clone, kind: signal.Signals
) -> None:
    env = clone.env | {"LOKY_MAX_CPU_COUNT": "2"}
    command = ["dvc", "repro", "-f", "-s", f"train@{WITH_BN}"]
    dvc = subprocess.Popen(command, cwd=clone.folder, env=env, stdout=subprocess.DEVNULL)
    family: list[psutil.Process] = []
    while dvc.poll() is None and len(family) < 3:  # the stage and its workers
        time.sleep(0.01)
        family = psutil.Process(dvc.pid).children(recursive=True)
    dvc.send_signal(kind)
    dvc.wait(60)
    assert psutil.wait_procs(family, timeout=60)[1] == []
    clone.run("dvc", "repro")
    assert clone.changed() == ""
