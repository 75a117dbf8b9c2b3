"""One lock for all Pythons, `make repro`."""

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


def test_an_environment_is_made_once_for_a_folder(tmp_path: Path) -> None:
    """By the Makefile, of which `make repro` is a dry run here; `python` fits as far as it sees."""
    folder = tmp_path / "a folder"
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    (folder / ".venv/ready").write_text(f"{folder}\n")
    for made in (False, True):
        command = ["make", "--dry-run", "repro"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        assert "sh tools/repro.sh" in done.stdout
        assert (" -m venv " in done.stdout) == made
        folder = folder.rename(tmp_path / "moved")


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
    """Of tools/repro.sh: exit status, what it prints, and the programs that it calls."""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    called = folder / "called"
    called.write_text("")
    done = subprocess.run(
        ["sh", ROOT / "tools/repro.sh"],
        cwd=folder,
        env=os.environ | {"PATH": path, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout, called.read_text().splitlines()


LOOKED = ["dvc checkout --quiet data/cifar-10-batches-py", "klayer settings", "klayer download"]


def test_without_a_copy_of_cifar_10_the_images_are_synthetic(folder: Path) -> None:
    status, text, called = repro(folder)
    assert (status, called) == (0, [*LOOKED, "dvc repro"])
    assert "No copy of CIFAR-10 was found" in text
    assert "source: synthetic  # or synthetic" in (folder / "params.yaml").read_text()
    status, text, called = repro(folder)
    assert (status, called) == (0, ["dvc repro"])
    assert "git checkout params.yaml" in text


@pytest.mark.parametrize(("command", "called"), [("settings", 2), ("download", 3)])
def test_any_other_failure_ends_it(folder: Path, command: str, called: int) -> None:
    program(folder, "klayer", f'[ "$1" != {command} ] || {{ echo "Error: no"; exit 1; }}')
    before = (folder / "params.yaml").read_text()
    assert repro(folder) == (1, "Error: no\n", LOOKED[:called])
    assert (folder / "params.yaml").read_text() == before


def test_images_that_are_there_are_not_looked_for(folder: Path) -> None:
    program(folder, "klayer", "exit 0")
    assert repro(folder) == (0, "", [*LOOKED, "dvc repro"])
    (folder / "data/cifar-10-batches-py").mkdir(parents=True)
    program(folder, "dvc", "echo 'ERROR: another dvc is at work'; exit 255")
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


def test_a_folder_without_git_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / ".git")
    status, text, called = repro(folder)
    assert (status, called) == (1, ["dvc config core.no_scm"])
    assert "a ZIP has no .git" in text
