"""The rules of the house: what may import what, one lock for all Pythons, `make repro`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from conftest import ROOT

PROGRAMS = Path(sys.executable).parent
LOCK = (ROOT / "requirements.lock").read_text()
DEV_LOCK = (ROOT / "requirements-dev.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over the package in this folder, by the contracts of its pyproject.toml."""
    command = [str(PROGRAMS / "lint-imports"), "--no-cache", "--no-logo"]
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package with its contracts."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_imports_are_those_of_the_house(house: Path) -> None:
    done = lint_imports(house)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "imports"),
    [
        ("networks/layers.py", "klayer.errors"),
        ("networks/layers.py", "klayer.settings"),
        ("data/dataset.py", "klayer.networks.layers"),
        ("training/trainer.py", "klayer.parallel.workers"),
        ("training/trainer.py", "klayer.report.words"),
        ("parallel/runner.py", "klayer.stages.search_l2"),
        ("training/results.py", "klayer.report.words"),
        ("report/words.py", "klayer.training.results"),
        ("report/words.py", "klayer.data.dataset"),
        ("files.py", "klayer.params"),
        ("training/results.py", "klayer.cli"),
    ],
)
def test_an_import_turned_round_is_refused(house: Path, module: str, imports: str) -> None:
    with (house / "src/klayer" / module).open("a") as file:
        file.write(f"\nimport {imports}\n")
    done = lint_imports(house)
    assert done.returncode == 1
    assert f"klayer.{module.removesuffix('.py').replace('/', '.')} -> {imports}" in done.stdout


def test_the_lock_has_one_version_of_each_library_for_all_pythons() -> None:
    locked = Counter(re.findall(r"^([a-z0-9.-]+)==", LOCK, re.MULTILINE))
    assert {"numpy", "scipy", "numba", "matplotlib"} <= set(locked)
    assert [name for name, versions in locked.items() if versions > 1] == []
    assert "python_version" not in LOCK
    assert "python_full_version" not in LOCK


def test_the_lock_has_every_library_of_the_project_and_its_hashes() -> None:
    extras = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *extras["build"]]
    for lock, requirements in ((LOCK, needed), (DEV_LOCK, [*needed, *extras["dev"]])):
        for requirement in requirements:
            name = re.split(r"[><=\[]", requirement)[0].replace(".", "-")
            assert re.search(rf"^{name}==\S+ .*\\\n    --hash=sha256:", lock, re.MULTILINE), name


def test_what_both_locks_have_is_the_same() -> None:
    running, developing = (
        re.findall(r"^\S+==\S+", lock, re.MULTILINE) for lock in (LOCK, DEV_LOCK)
    )
    assert set(running) < set(developing)


# `make repro`: tools/repro.sh with a klayer and a dvc that only note how they are called.
CALLED = 'echo "$(basename "$0") $*" >> called\n'


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
    """Exit status, what is said, and the programs that were called."""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", ROOT / "tools/repro.sh"],
        cwd=folder,
        env=os.environ | {"PATH": path, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    called = folder / "called"
    lines = called.read_text().splitlines() if called.exists() else []
    return done.returncode, done.stdout + done.stderr, lines


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


def makes_it_anew(folder: Path) -> bool:
    """Whether `make repro` would make the environment."""
    command = ["make", "--dry-run", "repro"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert "sh tools/repro.sh" in said
    return " -m venv " in said


def test_an_environment_is_made_once(environment: Path) -> None:
    assert not makes_it_anew(environment)
    (environment.parent / "link").symlink_to(environment)
    assert not makes_it_anew(environment.parent / "link")
    assert (environment / ".venv/bin/python").exists()


def test_an_environment_of_a_folder_that_was_moved_is_made_anew(environment: Path) -> None:
    moved = environment.rename(environment.parent / "moved")
    assert makes_it_anew(moved)


def test_an_environment_whose_python_has_gone_is_made_anew(environment: Path) -> None:
    (environment / ".venv/bin/python").unlink()
    (environment / ".venv/bin/python").symlink_to("/nowhere/python3")
    assert makes_it_anew(environment)


@pytest.mark.parametrize("target", ["repro", "test"])
def test_an_environment_of_another_program_with_an_older_python_is_told(
    environment: Path, target: str
) -> None:
    (environment / ".venv/ready").unlink()
    for name in ("python", "python3"):
        path = environment / ".venv/bin" / name
        path.unlink(missing_ok=True)
        older = "import sys; sys.version_info = (3, 10, 1)"
        path.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c \"{older}; $2\"\n")
        path.chmod(0o755)
    done = subprocess.run(["make", target], cwd=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "has Python 3.10, and 3.11 to 3.14 is needed: remove .venv, then run make" in done.stderr
    assert "was found" not in done.stderr


def test_a_user_id_without_a_name_gets_one_for_dvc(environment: Path, tmp_path: Path) -> None:
    program(environment, "id", '[ "$1" = -u ] && echo 12345')
    with (environment / "Makefile").open("a") as file:
        file.write("who:\n\t@echo $$LOGNAME\n")
    env = {k: v for k, v in os.environ.items() if k not in ("LOGNAME", "USER")}
    env["PATH"] = f"{environment / 'bin'}{os.pathsep}{env['PATH']}"
    for given, name in (({}, "12345"), ({"USER": "me"}, "me"), ({"LOGNAME": "i"}, "i")):
        told = subprocess.run(
            ["make", "--silent", "who"], cwd=environment, env=env | given, capture_output=True
        )
        assert told.stdout.decode().strip() == name


@pytest.mark.parametrize("name", ["a:b", "a $b", "a `b", 'a "b'])
def test_a_folder_whose_name_no_environment_can_have_is_told(environment: Path, name: str) -> None:
    renamed = environment.rename(environment.parent / name)
    command = ["make", "repro", "PYTHON=true"]  # no environment would be made
    done = subprocess.run(command, cwd=renamed, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the path of this folder has one of" in done.stderr
    assert not (renamed / ".venv").exists()


def test_stages_are_given_to_the_shell_that_every_machine_has(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's may be none, as of a service, or speak otherwise, as csh."""
    monkeypatch.setenv("SHELL", "/bin/false")
    program(folder, "dvc", 'echo "$SHELL"')
    (folder / "data/cifar-10-batches-py").mkdir(parents=True)
    assert repro(folder) == (0, "/bin/sh\n", ["dvc repro"])


CHECKOUT = "dvc checkout --quiet data/cifar-10-batches-py"
DOWNLOAD = ("klayer settings", "klayer download")
NO_SCM = "dvc config core.no_scm"


def test_no_copy_anywhere_leads_to_synthetic_images(folder: Path) -> None:
    status, said, called = repro(folder)
    assert (status, called) == (0, [CHECKOUT, *DOWNLOAD, "dvc repro"])
    assert "No copy of CIFAR-10 was found" in said
    assert "source: synthetic  # or synthetic" in (folder / "params.yaml").read_text()


def test_a_later_run_says_that_params_choose_synthetic_images(folder: Path) -> None:
    (folder / "params.yaml").write_text("data:\n  source: synthetic\n")
    status, said, called = repro(folder)
    assert (status, called) == (0, ["dvc repro"])
    assert said.count("\n") == 1
    assert "git checkout params.yaml" in said


@pytest.mark.parametrize("status", [1, 2, 130, 255])
def test_any_other_failure_of_the_download_is_told_as_it_is(folder: Path, status: int) -> None:
    fault = f"echo 'Error: the disk is full' >&2; exit {status}"
    program(folder, "klayer", f'[ "$1" = settings ] || {{ {fault}; }}')
    before = (folder / "params.yaml").read_text()
    assert repro(folder) == (status, "Error: the disk is full\n", [CHECKOUT, *DOWNLOAD])
    assert (folder / "params.yaml").read_text() == before


def test_images_that_are_found_are_left_to_the_stage_which_keeps_them(folder: Path) -> None:
    program(folder, "klayer", "exit 0")
    assert repro(folder) == (0, "", [CHECKOUT, *DOWNLOAD, "dvc repro"])


def test_images_at_hand_are_not_looked_for(folder: Path) -> None:
    (folder / "data/cifar-10-batches-py").mkdir(parents=True)
    assert repro(folder) == (0, "", ["dvc repro"])


@pytest.mark.parametrize("left", ["", '{"write": {}, "read": {"a": [{"pid": 1'])
def test_locks_that_a_stopped_dvc_left_cut_short_are_removed(folder: Path, left: str) -> None:
    (folder / "data/cifar-10-batches-py").mkdir(parents=True)
    locks = folder / ".dvc/tmp/rwlock"
    locks.parent.mkdir(parents=True)
    locks.write_text("{}")
    assert repro(folder) == (0, "", ["dvc repro"])
    locks.write_text(left)
    status, said, called = repro(folder)
    assert (status, called) == (0, ["dvc repro", "dvc repro"])
    assert ".dvc/tmp/rwlock cut short" in said
    assert not locks.exists()


def test_a_failure_of_dvc_stays_one(folder: Path) -> None:
    program(folder, "dvc", "echo 'ERROR: another dvc is at work' >&2; exit 255")
    (folder / "data/cifar-10-batches-py").mkdir(parents=True)
    assert repro(folder) == (255, "ERROR: another dvc is at work\n", ["dvc repro"])


def test_a_folder_without_git_is_told_in_a_sentence(folder: Path) -> None:
    shutil.rmtree(folder / ".git")
    status, said, called = repro(folder)
    assert (status, called) == (1, [NO_SCM])
    assert "a ZIP has no .git" in said


def test_a_copy_that_dvc_takes_without_git_is_taken(folder: Path) -> None:
    shutil.rmtree(folder / ".git")
    (folder / "data/cifar-10-batches-py").mkdir(parents=True)
    program(folder, "dvc", '[ "$1" != config ] || echo True')
    assert repro(folder) == (0, "", [NO_SCM, "dvc repro"])


@pytest.mark.parametrize("status", [1, 3])
def test_wrong_settings_are_told_and_no_image_is_looked_for(folder: Path, status: int) -> None:
    program(folder, "klayer", f"echo 'Error: params.yaml: l2 is -1' >&2; exit {status}")
    expected = (status, "Error: params.yaml: l2 is -1\n", [CHECKOUT, "klayer settings"])
    assert repro(folder) == expected


def test_another_repository_of_git_s_variables_is_not_meant(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a hook, which is run with GIT_DIR set."""
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    (folder / "data/cifar-10-batches-py").mkdir(parents=True)
    assert repro(folder) == (0, "", ["dvc repro"])


def test_what_git_refuses_is_told_in_its_own_words(folder: Path) -> None:
    """A clone of another user, for example, whose way out Git names."""
    program(folder, "git", "echo 'fatal: detected dubious ownership' >&2; exit 128")
    assert repro(folder) == (
        1,
        "fatal: detected dubious ownership\n",
        ["git rev-parse --git-dir", NO_SCM],
    )
