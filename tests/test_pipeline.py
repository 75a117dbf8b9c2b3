"""dvc.yaml against the code, and the whole pipeline, small, in a clean clone."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from conftest import ROOT, tiny_settings, write_params

STAGES = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
NAMES = ("three_layer", "three_layer_bn")
# How the images are fetched does not change what is fetched.
ONLY_HOW = {"data.mirrors", "data.connect_timeout", "data.slow_rate", "data.slow_seconds"}


def definition(stage: str) -> dict:
    return STAGES[stage].get("do", STAGES[stage])


@pytest.mark.parametrize("stage", STAGES)
def test_the_command_is_the_stage(stage: str) -> None:
    command = stage.replace("_", "-")
    start = f"PYTHONPATH=src exec python -m klayer {command}"
    assert definition(stage)["cmd"] in (start, f"{start} ${{key}}")


def test_every_stage_module_is_in_the_pipeline() -> None:
    modules = {path.stem for path in (ROOT / "src/klayer/stages").glob("[a-z]*.py")}
    assert modules == set(STAGES)


def test_every_setting_is_a_parameter_of_a_stage() -> None:
    params = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    used = {p.split(".${")[0] for stage in STAGES for p in definition(stage).get("params", [])}
    keys = {f"{section}.{key}" for section in params for key in params[section]}
    unused = {key for key in keys if key not in used and key.split(".")[0] not in used}
    assert unused == ONLY_HOW


def small() -> dict:
    params = tiny_settings()
    params["data"]["source"] = "synthetic"
    params["training"]["half_cycle"] = 60
    params["experiments"] = {NAMES[0]: {"l2": 0.005}, NAMES[1]: {"batch_norm": True}}
    return params


class Clone:
    """A clone of the working tree with small settings, with its own code on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = Path(sys.executable).parent
        self.env = {k: v for k, v in os.environ.items() if k != "CIFAR10_ARCHIVE"} | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_NAME": "test" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "test@localhost" for who in ("AUTHOR", "COMMITTER")},
        }
        listed = subprocess.check_output(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT
        )
        for name in filter(None, listed.decode().split("\0")):
            if (ROOT / name).is_file():  # one that is deleted is still listed
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        write_params(small(), folder / "params.yaml")
        self.run("git", "init", "--quiet")
        self.commit()

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "state")

    def changed(self) -> str:
        return self.run("git", "status", "--porcelain")

    def stale(self) -> set[str]:
        """Stages that would run again."""
        return set(json.loads(self.run("dvc", "status", "--json")))


@pytest.fixture
def restored(clone: Clone) -> Iterator[Clone]:
    """The clone, for a test that changes it."""
    yield clone
    clone.run("git", "checkout", "--quiet", ".")
    clone.run("dvc", "checkout", "--quiet")


def ran(output: str) -> list[str]:
    return re.findall(r"^Running stage '(.+)':$", output, re.MULTILINE)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """After a first `dvc repro`, with its results committed."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    output = clone.run("dvc", "repro")
    trained = [f"train@{name}" for name in NAMES]
    assert sorted(ran(output)) == sorted([*(s for s in STAGES if s != "train"), *trained])
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
    assert metrics == {"synthetic": 1}
    assert "synthetic" in (clone.folder / "reports/report.md").read_text()


def test_metrics_of_all_experiments_have_the_same_keys(clone: Clone) -> None:
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json"))[""]["data"]
    one, two = (shown[f"metrics/train/{name}.json"]["data"] for name in NAMES)
    assert one.keys() == two.keys()


@pytest.mark.parametrize(
    ("path", "stale"),
    [("cli.py", set()), ("settings.py", set()), ("stages/report.py", {"report"})],
)
def test_editing_the_report_or_the_command_line_retrains_nothing(
    restored: Clone, path: str, stale: set[str]
) -> None:
    source = restored.folder / "src/klayer" / path
    source.write_text(source.read_text() + "# edited\n")
    assert restored.stale() == stale


def test_one_experiment_changed_runs_it_and_the_report_alone(restored: Clone) -> None:
    output = restored.run("dvc", "exp", "run", "-S", f"experiments.{NAMES[0]}.l2=0.5")
    assert ran(output) == [f"train@{NAMES[0]}", "report"]
    metrics = json.loads(restored.run("dvc", "metrics", "diff", "--json"))
    assert set(metrics) == {f"metrics/train/{NAMES[0]}.json"}
    assert "test_accuracy" in metrics[f"metrics/train/{NAMES[0]}.json"]
    params = json.loads(restored.run("dvc", "params", "diff", "--json"))
    change = params["params.yaml"][f"experiments.{NAMES[0]}.l2"]
    assert (change["old"], change["new"]) == (0.005, 0.5)


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
    assert psutil.wait_procs(family, timeout=5)[1] == []
    clone.run("dvc", "repro")
    assert clone.changed() == ""
