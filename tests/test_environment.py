"""A stage gives the same bytes in anybody's environment, and refuses what would lose a result."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, tiny_settings, write_settings
from klayer.environment import check_clone, check_code
from klayer.errors import KlayerError

RESULTS = ("metrics/train/bn.json", "plots/seeds/bn.csv", "plots/train/bn.csv")
ODD = {
    "COLUMNS": "0",
    "HOME": "/proc/nowhere",
    "LC_ALL": "tr_TR.UTF-8",
    "LOKY_MAX_CPU_COUNT": "1",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3",
    "OMP_NUM_THREADS": "7",
    "OPENBLAS_CORETYPE": "Prescott",
    "PYTHONHASHSEED": "3",
    "PYTHONOPTIMIZE": "2",
    "TZ": "Nowhere/None",
}


def train(**variables: str) -> list[bytes]:
    """The results of the experiment `bn`."""
    done = subprocess.run(
        [sys.executable, "-m", "klayer", "train", "bn"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [Path(path).read_bytes() for path in RESULTS]


def test_variables_change_no_byte(project: Path) -> None:
    params = tiny_settings()
    params["training"]["seeds"] = [1, 2]
    write_settings(params)
    usual = train()
    shutil.rmtree("metrics")
    shutil.rmtree("plots")
    assert train(**ODD) == usual


def test_the_code_of_another_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in DVC's temporary experiments, worktrees and second clones with one environment."""
    monkeypatch.chdir(ROOT)
    check_code()
    monkeypatch.chdir(tmp_path)
    check_code()
    Path("src/klayer").mkdir(parents=True)
    with pytest.raises(KlayerError, match=r"would run, not that of this folder.*PYTHONPATH=src"):
        check_code()


def test_an_experiment_that_a_shallow_clone_would_lose_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git takes nothing from a shallow clone, which DVC does not notice."""
    temporary = tmp_path / ".dvc/tmp/exps/standalone/tmpabc"
    temporary.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(temporary)
    check_clone()
    (tmp_path / ".git/shallow").touch()
    with pytest.raises(KlayerError, match="this clone is shallow"):
        check_clone()
    monkeypatch.chdir(tmp_path)
    check_clone()
