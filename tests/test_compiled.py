"""The cache of compiled loops: damaged files are misses, and no cache is no fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CALL = """
import sys
import numpy as np
from klayer.networks.compiled import compiled

sys.path.insert(0, ".")
from loops import twice
print(float(compiled(twice)(np.arange(4.0))))
"""
LOOP = """
def twice(x):
    total = 0.0
    for value in x:
        total += 2 * value
    return total
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "loops.py").write_text(LOOP)
    return tmp_path


def call(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    code = [sys.executable, "-c", CALL]
    env = os.environ | variables
    return subprocess.run(code, cwd=folder, env=env, capture_output=True, text=True, check=True)


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "__pycache__").glob("*.nb[ic]"))


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_truncated_file_is_a_miss_and_made_anew(folder: Path, suffix: str, share: float) -> None:
    call(folder)
    (path,) = (path for path in kept(folder) if path.suffix == suffix)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    again = call(folder)
    assert (again.stdout, again.stderr) == ("12.0\n", "")
    assert len(path.read_bytes()) == pytest.approx(len(whole), rel=0.1)


def test_a_folder_that_cannot_be_written_is_told(folder: Path) -> None:
    (folder / "__pycache__").write_text("a file, where the folder would be")
    home = folder / "home"
    home.write_text("no folder either")
    again = call(folder, HOME=str(home), XDG_CACHE_HOME=str(home), PYTHONDONTWRITEBYTECODE="1")
    assert again.stdout == "12.0\n"
    assert again.stderr.count("no folder for compiled code can be written") == 1


def test_a_named_folder_that_cannot_be_written_is_passed_over(folder: Path) -> None:
    again = call(folder, NUMBA_CACHE_DIR=str(folder / "loops.py/below-a-file"))
    assert (again.stdout, again.stderr) == ("12.0\n", "")
    assert kept(folder)
