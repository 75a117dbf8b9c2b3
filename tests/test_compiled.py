"""The cache of compiled loops: edits are seen, and no cache is no fault."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

CALL = """
import numpy as np
from klayer.kernels.loops import compiled
from loops import twice

print(float(compiled(twice)(np.arange(4.0))))
"""
LOOP = """
from klayer.kernels.factor import factor


def twice(x):
    total = 0.0
    for value in x:
        total += factor(value)
    return total
"""
FACTOR = """
from klayer.kernels.loops import compiled


@compiled
def factor(value):
    return 2.0 * value
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """klayer's compiler, a module of klayer.kernels, and one outside that calls it."""
    (tmp_path / "klayer/kernels").mkdir(parents=True)
    for name in ("klayer/__init__.py", "klayer/kernels/__init__.py", "klayer/kernels/loops.py"):
        shutil.copy(ROOT / "src" / name, tmp_path / name)
    (tmp_path / "klayer/kernels/factor.py").write_text(FACTOR)
    (tmp_path / "loops.py").write_text(LOOP)
    return tmp_path


def call(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    code = [sys.executable, "-c", CALL]
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    env |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | variables
    return subprocess.run(code, cwd=folder, env=env, capture_output=True, text=True, check=True)


def test_an_edit_of_the_module_or_of_another_module_of_the_kernels_is_seen(folder: Path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(folder / "cache")}

    def times() -> list[int]:
        return [path.stat().st_mtime_ns for path in (folder / "cache").rglob("*twice*.nb?")]

    def edited(name: str, old: str, new: str) -> str:
        path = folder / name
        times = path.stat()
        path.write_text(path.read_text().replace(old, new))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # same time, same size
        return call(folder, **cache).stdout

    assert call(folder, **cache).stdout == "12.0\n"
    before = times()
    assert len(before) == 2  # an index and the code
    assert edited("loops.py", "twice", "twice") == "12.0\n"
    assert times() == before
    assert edited("klayer/kernels/factor.py", "2.0", "3.0") == "18.0\n"
    assert edited("loops.py", "0.0", "1.0") == "19.0\n"


def test_where_no_folder_can_be_written_the_code_runs_all_the_same(folder: Path) -> None:
    (folder / "__pycache__").write_text("a file, where the folder would be")
    home = folder / "home"
    home.write_text("no folder either")
    assert call(folder, HOME=str(home), XDG_CACHE_HOME=str(home)).stdout == "12.0\n"


def test_where_the_code_cannot_be_saved_it_runs_all_the_same(folder: Path) -> None:
    """As on a full disk; a folder stands where the file would be."""
    cache = folder / "cache"
    call(folder, NUMBA_CACHE_DIR=str(cache))
    for path in cache.rglob("*.nb?"):
        path.unlink()
        if path.suffix == ".nbc":
            path.mkdir()  # which no file can replace
    assert call(folder, NUMBA_CACHE_DIR=str(cache)).stdout == "12.0\n"
