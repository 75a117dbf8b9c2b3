"""What may import what, one lock for all Pythons, `make repro`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import ROOT


def test_an_import_turned_round_is_refused(tmp_path: Path) -> None:
    """The contracts of pyproject.toml, which `make lint` checks, see each of these."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    turned = {
        "networks/layers.py": "klayer.errors",
        "data/dataset.py": "klayer.networks.layers",
        "training/trainer.py": "klayer.parallel.runner",
        "parallel/runner.py": "klayer.stages.search_l2",
        "report/words.py": "klayer.training.results",
        "files.py": "klayer.params",
    }
    for module, imported in turned.items():
        with (tmp_path / "src/klayer" / module).open("a") as file:
            file.write(f"\nimport {imported}\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    for module, imported in turned.items():
        name = module.removesuffix(".py").replace("/", ".")
        assert f"klayer.{name} -> {imported}" in done.stdout


def test_the_locks_have_every_library_with_its_hashes_and_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras, versions = project["optional-dependencies"], {}
    for name, needed in (
        ("requirements.lock", [*project["dependencies"], *extras["build"]]),
        ("requirements-dev.lock", [*project["dependencies"], *extras["build"], *extras["dev"]]),
    ):
        text = (ROOT / name).read_text()
        versions[name] = set(
            re.findall(r"^\S+==\S+(?= .*\\\n    --hash=sha256:)", text, re.MULTILINE)
        )
        locked = {version.partition("==")[0] for version in versions[name]}
        assert {re.split(r"[><=\[]", n)[0].replace(".", "-") for n in needed} <= locked
    assert versions["requirements.lock"] < versions["requirements-dev.lock"]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A folder with the Makefile and an environment that fits it, as far as make sees."""
    folder = tmp_path / "a folder"
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    (folder / ".venv/ready").write_text(f"{folder}\n")
    return folder


def makes_an_environment(folder: Path) -> bool:
    """Whether `make repro` would make one."""
    command = ["make", "--dry-run", "repro"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "sh tools/repro.sh" in done.stdout
    return " -m venv " in done.stdout


def test_an_environment_is_made_once_for_a_folder_and_a_python(environment: Path) -> None:
    assert not makes_an_environment(environment)
    moved = environment.rename(environment.parent / "moved")
    assert makes_an_environment(moved)
    assert not (moved / ".venv").exists()


CALLED = 'echo "$(basename "$0") $*" >> called\n'  # programs of the tests note how they are called


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Git repository with params.yaml, and a `klayer` and a `dvc` that have no images."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "params.yaml").write_text("data:\n  source: cifar10  # or synthetic\n")
    program(tmp_path, "klayer", '[ "$1" = settings ] || exit 3')
    program(tmp_path, "dvc", '[ "$1" != checkout ]')
    return tmp_path


def program(folder: Path, name: str, text: str) -> None:
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{CALLED}{text}\n")
    path.chmod(0o755)


def repro(folder: Path) -> tuple[int, str, list[str]]:
    """Of tools/repro.sh: exit status, what it prints, and the programs that were called."""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", ROOT / "tools/repro.sh"],
        cwd=folder,
        env=os.environ | {"PATH": path, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    called = folder / "called"
    return done.returncode, done.stdout, called.read_text().splitlines() if called.exists() else []


LOOKED = ["dvc checkout --quiet data/cifar-10-batches-py", "klayer settings", "klayer download"]


def test_without_a_copy_of_cifar_10_the_images_are_synthetic(folder: Path) -> None:
    status, text, called = repro(folder)
    assert (status, called) == (0, [*LOOKED, "dvc repro"])
    assert "No copy of CIFAR-10 was found" in text
    assert "source: synthetic  # or synthetic" in (folder / "params.yaml").read_text()
    (folder / "called").unlink()
    status, text, called = repro(folder)
    assert (status, called) == (0, ["dvc repro"])
    assert "git checkout params.yaml" in text


@pytest.mark.parametrize("command", ["settings", "download"])
@pytest.mark.parametrize("status", [1, 2, 130])
def test_any_other_failure_is_told_as_it_is(folder: Path, command: str, status: int) -> None:
    program(folder, "klayer", f'[ "$1" != {command} ] || {{ echo "Error: no"; exit {status}; }}')
    before = (folder / "params.yaml").read_text()
    called = LOOKED[: 2 if command == "settings" else 3]
    assert repro(folder) == (status, "Error: no\n", called)
    assert (folder / "params.yaml").read_text() == before


def test_images_that_are_there_are_not_looked_for(folder: Path) -> None:
    program(folder, "klayer", "exit 0")
    assert repro(folder) == (0, "", [*LOOKED, "dvc repro"])
    (folder / "data/cifar-10-batches-py").mkdir(parents=True)
    (folder / "called").unlink()
    assert repro(folder) == (0, "", ["dvc repro"])
    program(folder, "dvc", "echo 'ERROR: another dvc is at work'; exit 255")
    (folder / "called").unlink()
    assert repro(folder) == (255, "ERROR: another dvc is at work\n", ["dvc repro"])


def test_locks_that_a_stopped_dvc_left_cut_short_are_removed(folder: Path) -> None:
    (folder / "data/cifar-10-batches-py").mkdir(parents=True)
    locks = folder / ".dvc/tmp/rwlock"
    locks.parent.mkdir(parents=True)
    locks.write_text("{}")
    assert repro(folder) == (0, "", ["dvc repro"])
    locks.write_text('{"write": {}, "read": {"a": [{"pid": 1')
    status, text, _ = repro(folder)
    assert status == 0
    assert ".dvc/tmp/rwlock cut short" in text
    assert not locks.exists()


def test_a_folder_without_git_is_told_in_a_sentence(folder: Path) -> None:
    shutil.rmtree(folder / ".git")
    status, text, called = repro(folder)
    assert (status, called) == (1, ["dvc config core.no_scm"])
    assert "a ZIP has no .git" in text
