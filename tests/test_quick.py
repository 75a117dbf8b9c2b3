"""`make quick`: a small run of every stage, in a copy that leaves all else alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from clone import Clone
from conftest import ROOT, tiny_settings, write_params
from klayer.stages.settings import check
from tools.quick import shrink


def quick(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {k: v for k, v in os.environ.items() if k != "CIFAR10_ARCHIVE"} | variables
    return subprocess.run(
        [sys.executable, ROOT / "tools/quick.py"],
        cwd=folder,
        env=env | {"PATH": programs, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def committed() -> dict[str, Any]:
    settings: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")
    return settings


def shrunk(settings: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(settings)
    write_params(settings, folder / "params.yaml")
    monkeypatch.chdir(folder)
    check()


def test_what_is_left_is_small_and_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = committed()
    shrunk(settings, tmp_path, monkeypatch)
    assert list(settings["experiments"])[:2] == ["three_layer", "three_layer_bn"]
    assert len(settings["search"]["schedules"]) == 1
    lengths = {"half_cycle", "cycles", "seeds"}
    assert not lengths & {key for e in settings["experiments"].values() for key in e}


def test_settings_of_one_s_own_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = committed()
    settings["experiments"] = {"mine": None, "long": {"half_cycle": 9000, "l2": 0.01}}
    del settings["search"]["training"]
    settings["search"]["schedules"] = {"long": {"half_cycle": 2250}}
    shrunk(settings, tmp_path, monkeypatch)
    assert settings["experiments"] == {"mine": {}, "long": {"l2": 0.01}}
    assert settings["search"]["schedules"] == {"long": {}}


def test_a_mistake_and_a_missing_repository_are_told(tmp_path: Path) -> None:
    env = {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    write_params(tiny_settings(), tmp_path / "params.yaml")
    told = quick(tmp_path, **env)
    assert told.returncode == 1
    assert told.stderr.endswith(
        "Error: `make quick` needs a Git repository: clone the project (a ZIP has none)\n"
    )
    (tmp_path / "params.yaml").write_text("training: 3")
    told = quick(tmp_path, **env)
    assert told.returncode == 1
    assert told.stderr.startswith("Error: params.yaml: ")
    assert "Traceback" not in told.stderr


def test_it_runs_every_stage_in_a_copy(tmp_path: Path) -> None:
    clone = Clone(tmp_path, committed() | {"data": tiny_settings()["data"]})
    ran = quick(clone.folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "a small run of every stage" in ran.stdout.splitlines()[-1]
    assert "on synthetic images" in ran.stdout.splitlines()[-1]
    assert (clone.folder / ".klayer/quick/reports/index.html").exists()
    assert clone.changed() == ""
