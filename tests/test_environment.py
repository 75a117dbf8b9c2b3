"""What would change or lose a result without a word is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ROOT
from klayer.environment import check_clone, check_code
from klayer.errors import KlayerError


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
