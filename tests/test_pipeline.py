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
NAMES = ("three_layer", "three_layer_bn")
SCHEDULE = "two_cycles"
TRAINED = [f"train@{name}" for name in NAMES]
SCHEDULES = "src/klayer/networks/schedules.py"


def small() -> dict[str, Any]:
    params = tiny_settings()
    params["data"]["source"] = "synthetic"
    params["training"]["half_cycle"] = 60
    params["experiments"] = {NAMES[0]: {"l2": 0.005}, NAMES[1]: {"block": BATCH_NORM}}
    params["search"]["schedules"] = {SCHEDULE: {}}
    return params


@pytest.fixture
def restored(clone: Clone) -> Iterator[Clone]:
    """The clone, for a test that changes it."""
    yield clone
    clone.restore()


def ran(output: str) -> list[str]:
    return re.findall(r"^Running stage '(.+)':$", output, re.MULTILINE)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """After a first `dvc repro`, with its results committed."""
    clone = Clone(tmp_path_factory.mktemp("a clone"), small())  # a space in its path, as users have
    output = clone.run("dvc", "repro")
    trained = [*(f"train@{name}" for name in NAMES), f"train_best@{SCHEDULE}"]
    others = [stage for stage in STAGES if not stage.startswith("train")]
    assert sorted(ran(output)) == sorted([*others, *trained])
    clone.commit()
    return clone


def test_a_second_run_does_nothing(clone: Clone) -> None:
    assert "Data and pipelines are up to date." in clone.run("dvc", "repro")
    assert clone.changed() == ""


def test_a_forced_run_gives_the_same_bytes(clone: Clone) -> None:
    stages = ["check_gradients", f"train@{NAMES[1]}", "search_l2", "report"]
    output = clone.run("dvc", "repro", "--force", "--single-item", *stages)
    assert sorted(ran(output)) == sorted(stages)
    assert clone.changed() == ""


def test_results_say_that_the_images_are_synthetic(clone: Clone) -> None:
    metrics = json.loads((clone.folder / "metrics/data.json").read_text())
    assert metrics["synthetic"] == 1
    assert "synthetic" in (clone.folder / "reports/report.md").read_text()


def test_metrics_of_all_experiments_have_the_same_keys(clone: Clone) -> None:
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json"))[""]["data"]
    runs = (*NAMES, f"best_{SCHEDULE}")
    one, two, best = (shown[f"metrics/train/{name}.json"]["data"] for name in runs)
    assert one.keys() == two.keys() == best.keys()


def test_one_experiment_changed_runs_it_and_the_report_alone(restored: Clone) -> None:
    output = restored.run("dvc", "exp", "run", "-S", f"experiments.{NAMES[0]}.l2=0.5")
    assert ran(output) == ["settings", f"train@{NAMES[0]}", "report"]
    metrics = json.loads(restored.run("dvc", "metrics", "diff", "--json"))
    assert set(metrics) == {f"metrics/train/{NAMES[0]}.json"}
    assert "test_accuracy" in metrics[f"metrics/train/{NAMES[0]}.json"]
    params = json.loads(restored.run("dvc", "params", "diff", "--json"))
    change = params["params.yaml"][f"experiments.{NAMES[0]}.l2"]
    assert (change["old"], change["new"]) == (0.005, 0.5)


def test_a_mistake_in_an_experiment_loses_no_result_and_says_how_to_undo_it(
    restored: Clone,
) -> None:
    with pytest.raises(AssertionError, match=r"(?s)training.bn_momentum.*git checkout params.yaml"):
        restored.run("dvc", "exp", "run", "-S", "training.bn_momentum=9")
    assert restored.changed() == " M params.yaml\n"


def test_one_line_goes_back_from_experiments_added_and_taken_away(restored: Clone) -> None:
    params = small()
    params["experiments"] = {NAMES[0]: {}, "wide": {"hidden": [9, 9]}}
    write_params(params, restored.folder / "params.yaml")
    output = restored.run("dvc", "repro")
    assert re.search(rf"params.yaml does not have .*{NAMES[1]}, whose results are still", output)
    restored.run("sh", "-c", re.findall(r"^ *(rm -r -- .*)$", output, re.MULTILINE)[0])
    assert "?? metrics/train/wide.json" in restored.changed()
    assert f" D metrics/train/{NAMES[1]}.json" in restored.changed()
    assert f"\n{GO_BACK}\n" in (ROOT / "README.md").read_text()
    restored.run("git", "add", "params.yaml", "dvc.lock")  # as an experiment that was stopped does
    restored.run("sh", "-c", GO_BACK)
    assert restored.changed() == ""
    assert restored.stale() == set()


def test_going_back_to_an_old_setting_trains_nothing(restored: Clone) -> None:
    path, stage = restored.folder / "params.yaml", f"train@{NAMES[0]}"
    before = path.read_text()
    path.write_text(before.replace("l2: 0.005", "l2: 0.025"))
    assert f"Running stage '{stage}'" in restored.run("dvc", "repro", stage)
    path.write_text(before)
    assert f"Stage '{stage}' is cached - skipping run" in restored.run("dvc", "repro", stage)


def edited(clone: Clone) -> str:
    """params.yaml with ten times the L2 strength in both experiments."""
    params = (clone.folder / "params.yaml").read_text()
    assert "l2: 0.005" in params
    return params.replace("l2: 0.005", "l2: 0.05")


def test_a_stage_trains_what_dvc_records_whatever_params_say(restored: Clone) -> None:
    (restored.folder / "params.yaml").write_text(edited(restored))
    restored.run("dvc", "repro", "--force", "--single-item", f"train@{NAMES[0]}")
    assert restored.changed() == " M params.yaml\n"


def test_params_that_are_edited_while_a_stage_runs_wait_for_the_next_run(restored: Clone) -> None:
    stage = f"train@{NAMES[0]}"
    output = restored.folder / f"metrics/train/{NAMES[0]}.json"
    command = ["dvc", "repro", "--force", "--single-item", stage]
    dvc = subprocess.Popen(command, cwd=restored.folder, env=restored.env)
    while dvc.poll() is None and output.exists():  # DVC removes outputs just before it starts
        time.sleep(0.01)
    (restored.folder / "params.yaml").write_text(edited(restored))
    assert dvc.wait(60) == 0
    assert restored.changed() == " M params.yaml\n"
    assert ran(restored.run("dvc", "repro")) == ["settings", *TRAINED, "report"]


def test_a_queued_experiment_runs_the_code_that_was_queued(restored: Clone) -> None:
    """Not that of the working tree, which the environment and PYTHONPATH name."""
    schedule, path = restored.folder / SCHEDULES, f"metrics/train/{NAMES[0]}.json"
    code = schedule.read_text()
    constant = code.replace("low + (high - low) * rising / half_cycle", "high")
    assert constant != code
    schedule.write_text(constant)
    restored.run("dvc", "exp", "run", "--queue", "--name", "edited", f"train@{NAMES[0]}")
    restored.run("git", "checkout", "--quiet", "src")
    restored.run("dvc", "exp", "run", "--queue", "--name", "same", f"train@{NAMES[0]}")
    restored.run("dvc", "exp", "run", "--run-all")
    refs = restored.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    found = {
        ref.rpartition("/")[2]: restored.run("git", "show", f"{ref}:{path}")
        for ref in refs
        if ref.endswith(("/edited", "/same"))
    }
    committed = restored.run("git", "show", f"HEAD:{path}")
    assert found["same"] == committed
    assert found["edited"] != committed


def test_the_graph_is_drawn(clone: Clone) -> None:
    graph = clone.run("dvc", "dag")
    assert all(f"train@{name}" in graph for name in NAMES)


@pytest.mark.parametrize(
    ("kind", "delay"), [(signal.SIGKILL, 0.2), (signal.SIGTERM, 0.9), (signal.SIGKILL, 1.6)]
)
def test_killing_dvc_leaves_no_process_and_the_next_run_ends_well(
    clone: Clone, kind: signal.Signals, delay: float
) -> None:
    stage = f"train@{NAMES[1]}"
    output = clone.folder / f"metrics/train/{NAMES[1]}.json"
    dvc = subprocess.Popen(
        ["dvc", "repro", "--force", "--single-item", stage],
        cwd=clone.folder,
        env=clone.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while dvc.poll() is None and output.exists():  # DVC removes outputs just before it starts
        time.sleep(0.01)
    time.sleep(delay)
    family = psutil.Process(dvc.pid).children(recursive=True)
    dvc.send_signal(kind)
    dvc.wait(20)
    assert psutil.wait_procs(family, timeout=15)[1] == []
    clone.run("dvc", "repro")
    assert clone.changed() == ""
