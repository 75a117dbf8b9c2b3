"""What each stage takes from params.yaml, written where DVC compares it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import tiny_settings, write_params
from klayer.errors import KlayerError
from klayer.stages import settings
from klayer.stages.settings import LIBRARIES, locked, of_stages
from klayer.study.settings import SECTIONS

# How images are fetched does not change what is fetched.
ONLY_HOW = {"mirrors", "timeout"}
TRAINED = {"train@plain", "train@bn", "search_l2"}


def schedules(params: dict[str, Any]) -> set[str]:
    return {f"train_best@{name}" for name in params["search"]["schedules"]}


def changed(params: dict[str, Any], section: str, **values: Any) -> set[str]:
    """The stages whose settings are others with these values."""
    before, after = of_stages(params), of_stages({**params, section: params[section] | values})
    assert before.keys() == after.keys()
    return {stage for stage in before if before[stage] != after[stage]}


def test_every_setting_reaches_a_stage() -> None:
    params = tiny_settings()
    found = of_stages(params)
    assert set(params) == set(SECTIONS)
    assert set(params["data"]) - set(found["data"]) == ONLY_HOW
    for stage in TRAINED - {"search_l2"}:
        assert set(found[stage]) == set(params["training"])
    for stage in schedules(params):
        assert set(found[stage]) == set(params["training"]) - {"l2"}
    assert set(found["search_l2"]) == set(params["search"]) - {"schedules"}
    assert set(found["search_l2"]["training"]) == set(params["training"]) - {"l2", "seeds"}


def test_a_default_changes_what_does_not_override_it() -> None:
    params = tiny_settings()
    of_best = schedules(params)
    assert changed(params, "training", hidden=[9]) == TRAINED | of_best
    assert changed(params, "training", half_cycle=30) == TRAINED - {"search_l2"}
    assert changed(params, "training", seeds=[5]) == TRAINED - {"search_l2"} | of_best
    assert changed(params, "training", l2=0.1) == TRAINED - {"search_l2"}


def test_what_differs_changes_its_stage_alone() -> None:
    params = tiny_settings()
    assert changed(params, "experiments", plain={"l2": 0.1}) == {"train@plain"}
    assert changed(params, "data", validation=4000) == {"data"}
    assert changed(params, "data", mirrors=[]) == set()
    assert changed(params, "search", population_size=2) == {"search_l2"}
    (name, *_) = params["search"]["schedules"]
    of_one = params["search"]["schedules"] | {name: {"cycles": 4}}
    assert changed(params, "search", schedules=of_one) == {f"train_best@{name}"}


def test_the_files_are_those_of_the_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = tiny_settings()
    write_params(params)
    Path("requirements.lock").write_text("".join(f"{n}==1.2.post1 \\\n" for n in LIBRARIES))
    settings.run()
    Path("data/settings/train@gone.json").write_text("{}")
    settings.run()
    files = {path.stem: json.loads(path.read_text()) for path in Path("data/settings").iterdir()}
    for settings_of_stage in files.values():
        assert settings_of_stage.pop("libraries") == dict.fromkeys(LIBRARIES, "1.2.post1")
    assert files == json.loads(json.dumps(of_stages(params)))


def test_a_lock_without_a_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KlayerError, match=r"requirements.lock cannot be read .*git checkout"):
        locked(LIBRARIES)
    Path("requirements.lock").write_text("numpy==2.4.1 \\\n    --hash=sha256:0\n")
    assert locked(("numpy",)) == {"numpy": "2.4.1"}
    with pytest.raises(KlayerError, match=r"requirements.lock has no numba: run `make lock`"):
        locked(("numpy", "numba"))
