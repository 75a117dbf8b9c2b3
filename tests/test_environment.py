"""A stage gives the same bytes in anybody's environment, or says in a sentence what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, tiny_settings, write_settings

RESULTS = ("metrics/train/bn.json", "plots/seeds/bn.csv", "plots/train/bn.csv")


def stage(folder: Path, prefix: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Trains the experiment `bn` in a shell; `prefix` and variables come before the command."""
    command = f"{prefix} {sys.executable} -m klayer train bn"
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")} | variables
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def results(folder: Path) -> list[bytes]:
    return [(folder / path).read_bytes() for path in RESULTS]


@pytest.fixture
def small(project: Path) -> Path:
    params = tiny_settings()
    params["training"]["seeds"] = [1, 2]
    write_settings(params)
    return project


ODD = {
    "libraries": {
        "NUMBA_CACHE_DIR": "/proc/nowhere",
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3",
        "OPENBLAS_NUM_THREADS": "abc",
        "OMP_NUM_THREADS": "7",
    },
    "joblib": {
        "JOBLIB_TEMP_FOLDER": "/proc/nowhere",
        "JOBLIB_START_METHOD": "nonsense",
        "LOKY_PICKLER": "nonsense",
        "LOKY_MAX_CPU_COUNT": "1",
    },
    "python": {"PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error", "PYTHONHASHSEED": "3"},
    "development": {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error", "PYTHONSAFEPATH": "1"},
    "locale": {
        "LC_ALL": "tr_TR.UTF-8",
        "LANG": "C",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "ascii",
    },
    "terminal": {
        "TERM": "dumb",
        "COLUMNS": "0",
        "LINES": "-3",
        "TQDM_NCOLS": "abc",
        "NO_COLOR": "",
        "LOKY_MAX_CPU_COUNT": "",
        "SOURCE_DATE_EPOCH": "abc",
        "TZ": "Nowhere/None",
    },
    "folders": {"HOME": "/proc/nowhere", "TMPDIR": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/x"},
}
STREAMS = ("</dev/null", "<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/null 2>/dev/null")


@pytest.fixture
def usual(small: Path) -> list[bytes]:
    """What the stage gives in the environment of the tests."""
    done = stage(small)
    assert done.returncode == 0, done.stderr
    found = results(small)
    shutil.rmtree("metrics")
    shutil.rmtree("plots")
    return found


def test_variables_change_no_byte(small: Path, usual: list[bytes]) -> None:
    for name, variables in ODD.items():
        done = stage(small, **variables)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        assert "Traceback" not in done.stderr, name
        assert results(small) == usual, name


def test_closed_and_odd_streams_change_no_byte(small: Path, usual: list[bytes]) -> None:
    for streams in STREAMS:
        done = stage(small, f"exec {streams};")
        assert done.returncode == 0, f"{streams}: {done.stderr}"
        assert results(small) == usual, streams


def test_a_full_standard_output_is_told(small: Path) -> None:
    done = stage(small, "exec >/dev/full;")
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "No space left on device" in done.stderr


def test_few_open_files_are_told_or_enough(small: Path) -> None:
    for limit in (9, 16, 24):
        done = stage(small, f"ulimit -n {limit};")
        assert "Traceback" not in done.stderr, limit
        assert done.returncode == 0 or "`ulimit -n 1024`" in done.stderr, done.stderr


def other_code(folder: Path) -> None:
    (folder / "src").mkdir()
    shutil.copytree(ROOT / "src/klayer", folder / "src/klayer")


def test_the_code_of_another_folder_is_refused(small: Path) -> None:
    """As in DVC's temporary experiments, worktrees and second clones with one environment."""
    other_code(small)
    refused = stage(small)
    assert refused.returncode == 1
    assert f"Error: the code of {ROOT / 'src/klayer'} would run, not that of this" in refused.stderr
    assert not (small / "metrics").exists()
    own = stage(small, PYTHONPATH="src")
    assert own.returncode == 0, own.stderr


def test_a_link_that_a_disk_does_not_keep_is_told(small: Path) -> None:
    """As studies/src and studies/data are where Git finds no links: texts with their targets."""
    (small / "src").write_text("../src")
    told = stage(small)
    assert told.returncode == 1
    assert "Error: src is a file here, which Git writes where a disk keeps no links: run `git" in (
        told.stderr
    )


def test_an_experiment_that_a_shallow_clone_would_lose_is_refused(small: Path) -> None:
    """Git takes nothing from a shallow clone, which DVC does not notice."""
    temporary = small / ".dvc/tmp/exps/standalone/tmpabc"
    temporary.mkdir(parents=True)
    for name in ("params.yaml", "requirements.lock", "data"):
        (temporary / name).symlink_to(small / name)
    (small / ".git").mkdir()
    assert stage(temporary).returncode == 0
    (small / ".git/shallow").touch()
    told = stage(temporary)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("Error: this clone is shallow, as `git clone --depth` makes it")
    assert stage(small).returncode == 0


@pytest.mark.parametrize(
    ("named", "ends"),
    [("$$", True), (str(os.getpid()), False), ("", False)],
    ids=["dead", "alive", "none"],  # the same in every process that collects the tests
)
def test_a_stage_ends_whose_dvc_went_before_it_asked(small: Path, named: str, ends: bool) -> None:
    """The one that adopts it may be of its own session, as the first process of a container is.

    One whose dvc is there goes on though another process is its parent, and where none is named.
    """
    (small / ".dvc/tmp").mkdir(parents=True)
    lock = f'{{"write": {{"a": {{"pid": {named}, "cmd": "dvc repro"}}}}}}' if named else ""
    orphan = f"(sleep 0.3; exec {sys.executable} -m klayer train bn) &"
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "DVC_STAGE": "train@bn", "LOCK": lock}
    write = 'printf %s "$LOCK" | sed "s/[$][$]/$$/" > .dvc/tmp/rwlock'
    done = subprocess.run(  # until the output is closed, which the orphan keeps open
        ["sh", "-c", f"{write}; {orphan}"], cwd=small, env=env, capture_output=True
    )
    assert done.returncode == 0
    assert (small / "metrics").exists() is not ends


IMPORTS = """
import os, sys
before = dict(os.environ)
import {}
assert "numpy" in sys.modules
assert dict(os.environ) == before
import klayer.training.loop, klayer.training.models
assert dict(os.environ) == before
"""


@pytest.mark.parametrize("order", ["numpy, klayer.kernels.products", "klayer.kernels.products"])
def test_an_import_changes_no_variable_and_may_come_after_numpy(order: str) -> None:
    subprocess.run([sys.executable, "-c", IMPORTS.format(order)], check=True)


NO_SEMAPHORES = """
import _multiprocessing

class SemLock:
    SEM_VALUE_MAX = 1
    def __init__(self, *_, **__):
        raise OSError(38, "Function not implemented")

_multiprocessing.SemLock = SemLock
from klayer.parallel.workers import map_tasks
print(list(map_tasks(abs, [-1, -2])))
"""


def test_without_shared_memory_one_process_works() -> None:
    """As in a container without /dev/shm, where no semaphore can be made."""
    done = subprocess.run(
        [sys.executable, "-c", NO_SEMAPHORES], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[1, 2]\n", done.stderr
