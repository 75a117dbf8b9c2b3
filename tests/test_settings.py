"""What each stage takes from params.yaml, written where DVC compares it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import tiny_settings, write_params
from klayer.errors import KlayerError
from klayer.params import read_settings, stage_settings
from klayer.settings import Params, Training
from klayer.stages import settings
from klayer.stages.settings import LIBRARIES, stage_files

EXPERIMENTS = {"train@plain", "train@bn"}
SHORT = "train_best@short"
BEST = {SHORT, "train_best@long"}


def test_every_setting_reaches_a_stage() -> None:
    params = tiny_settings()
    files = stage_files(params)
    assert set(params) == set(Params.model_fields)
    assert set(params["data"]) - set(files["data"]) == set(files["mirrors"])
    assert set(files["mirrors"]) == {"mirrors", "timeout"}  # how, which changes no image
    assert files["check_gradients"] == params["check_gradients"]
    training = set(params["training"])
    for stage in EXPERIMENTS:
        assert set(files[stage]) == training
    for stage in BEST:
        assert set(files[stage]) == training - {"l2"}
    assert set(files["search_l2"]) == set(params["search"]) - {"schedules"}
    assert set(files["search_l2"]["training"]) == training - {"l2", "seeds"}


@pytest.mark.parametrize(
    ("section", "values", "stages"),
    [
        ("training", {"hidden": [9]}, EXPERIMENTS | BEST | {"search_l2"}),
        ("training", {"half_cycle": 30}, EXPERIMENTS),  # the search overrides it
        ("training", {"seeds": [5]}, EXPERIMENTS | BEST),
        ("training", {"l2": 0.1}, EXPERIMENTS),
        ("experiments", {"plain": {"l2": 0.1}}, {"train@plain"}),
        ("data", {"validation": 4000}, {"data"}),
        ("data", {"mirrors": []}, {"mirrors"}),  # on which no stage depends
        ("check_gradients", {"seed": 2}, {"check_gradients"}),
        ("search", {"fine": {"count": 1, "decades": 1.0, "seeds": [3]}}, {"search_l2"}),
        ("search", {"schedules": {"short": {"cycles": 4}, "long": {"cycles": 2}}}, {SHORT}),
    ],
)
def test_a_change_reaches_the_stages_that_it_changes(
    section: str, values: dict[str, Any], stages: set[str]
) -> None:
    params = tiny_settings()
    before, after = stage_files(params), stage_files({**params, section: params[section] | values})
    assert before.keys() == after.keys()
    assert {stage for stage in before if before[stage] != after[stage]} - {"report"} == stages


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
    assert files == json.loads(json.dumps(stage_files(params)))


def test_a_stage_reads_what_was_written_for_it(project: Path) -> None:
    training = stage_settings("train@bn", Training)
    write_params({})  # which it does not read
    assert stage_settings("train@bn", Training) == training
    assert (training.block, training.hidden) == (("affine", "batch_norm", "relu"), (8, 6))
    assert stage_settings("train_best@long", Training, l2=0.25).l2 == 0.25


@pytest.mark.parametrize("text", ["", "{}", "\xff"])
def test_settings_that_are_missing_or_damaged_are_named(project: Path, text: str) -> None:
    with pytest.raises(KlayerError, match=r"^data/settings/train@no.json is missing: run `dvc"):
        read_settings("train@no")
    path = Path("data/settings/train@bn.json")
    path.write_text(text, encoding="latin-1")
    with pytest.raises(KlayerError, match=r"^data/settings/train@bn.json is damaged .*: run `dvc"):
        read_settings("train@bn")
    path.write_text('{"libraries": {}, "l3": 1}')
    with pytest.raises(KlayerError, match=r"was written by other code: run `dvc repro --force"):
        stage_settings("train@bn", Training)


def test_results_of_runs_that_are_gone_are_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = ("plain", "bn", "best_short", "best_long")
    for name in (*known, "best_gone", "old"):
        for path in (f"metrics/train/{name}.json", f"plots/seeds/{name}.csv"):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
        Path(f"plots/runs/{name}").mkdir(parents=True)
    settings.run()
    printed = capsys.readouterr().out
    assert printed.startswith("params.yaml does not have best_gone, old, whose results are still h")
    subprocess.run(printed.splitlines()[-1], shell=True, check=True)
    settings.run()
    assert capsys.readouterr().out == ""
    left = {path.stem for path in (*Path("plots").glob("*/*"), *Path("metrics/train").iterdir())}
    assert left == set(known)
