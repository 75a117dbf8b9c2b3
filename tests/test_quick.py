"""`make quick`: a small run of every stage, in a copy that leaves all else alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from clone import Clone
from conftest import ROOT, tiny_settings, write_params
from klayer.errors import KlayerError
from klayer.stages.settings import check
from tools.quick import main, shrink


def committed() -> dict[str, Any]:
    settings: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")
    return settings


def test_what_is_left_is_small_and_valid() -> None:
    settings = committed()
    shrink(settings)
    check(settings)
    assert list(settings["experiments"])[:2] == ["three_layer", "three_layer_bn"]
    assert len(settings["search"]["schedules"]) == 1
    lengths = {"half_cycle", "cycles", "seeds"}
    assert not lengths & {key for e in settings["experiments"].values() for key in e}


def test_settings_of_one_s_own_are_taken() -> None:
    settings = committed()
    settings["experiments"] = {"mine": {}, "long": {"half_cycle": 9000, "l2": 0.01}}
    settings["search"]["schedules"] = {"long": {"half_cycle": 2250}}
    shrink(settings)
    check(settings)
    assert settings["experiments"] == {"mine": {}, "long": {"l2": 0.01}}
    assert settings["search"]["schedules"] == {"long": {}}


def test_a_folder_without_git_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    write_params(tiny_settings())
    with pytest.raises(KlayerError, match=r"`make quick` needs a Git repository: clone the proj"):
        main()


def test_it_runs_every_stage_in_a_copy(tmp_path: Path) -> None:
    settings = committed() | {"experiments": {"three_layer_bn": {}}}  # DVC takes seconds for each
    clone = Clone(tmp_path, settings)
    ran = clone.run(sys.executable, "tools/quick.py").splitlines()[-1]
    assert "a small run of every stage" in ran
    assert "on synthetic images" in ran
    assert (clone.folder / ".klayer/quick/reports/index.html").exists()
    assert clone.changed() == ""
