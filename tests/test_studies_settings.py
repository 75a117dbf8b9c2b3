"""What a study is trained with: the file that DVC compares, and no other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conftest import ROOT, tiny_settings, write_params, write_processed
from klayer import params
from klayer.cli import main
from klayer.errors import KlayerError
from klayer.params import of_stage
from klayer.settings import Trials
from klayer.stages import study, study_settings
from klayer.stages.study_settings import SETTINGS, of_stages
from klayer.training.trainer import Job

ONE = {"question": "Is it so?", "ask": "gain", "across": {"sigma": [0.1, 0.2]}}
VARIANTS = {"a": {}, "b": {"l2": 0.5}}


def write(**changes: Any) -> None:
    """studies/params.yaml with one study."""
    study_lines = ONE | {"variants": VARIANTS} | changes
    write_params({"training": tiny_settings()["training"], "studies": {"one": study_lines}})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """studies/ of a project, with the settings of one study written."""
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    studies = tmp_path / "studies"
    write_processed(studies / "data/processed")
    monkeypatch.chdir(studies)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    write()
    study_settings.run()
    return studies


def recorded() -> Trials:
    return of_stage("one", Trials, SETTINGS)


def test_what_is_written_is_what_is_read(folder: Path) -> None:
    written = recorded().model_dump(mode="json", exclude_defaults=True)
    assert written == of_stages()["one"]
    assert recorded().test
    assert "numpy" in json.loads(Path("settings/one.json").read_text())["libraries"]


def test_the_setting_that_varies_stays_the_first(folder: Path) -> None:
    """Others go along with it; the page takes its name from the table's columns."""
    across = {"sigma": [0.1, 0.2], "batch_size": [10, 20]}
    sections = params.read()
    sections["studies"]["one"]["across"] = across
    Path("params.yaml").write_text(json.dumps(sections))  # as YAML, in this order
    study_settings.run()
    assert [*recorded().networks[0].varied] == [*across]


def test_whether_networks_are_tested_is_a_setting(folder: Path) -> None:
    before = Path("settings/one.json").read_text()
    write(ask="level", test=False)
    study_settings.run()
    assert Path("settings/one.json").read_text() == before.replace('"test": true', '"test": false')


def test_a_study_is_trained_as_its_settings_say(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where params.yaml has been edited since, as while `dvc repro` runs."""
    trained: dict[str, Any] = {}

    def note(stage: str, jobs: list[Job], kept: bool) -> None:
        trained.update(stage=stage, asked={(job.training.sigma, job.test) for job in jobs})
        raise KeyboardInterrupt

    write(ask="level", test=False)
    study_settings.run()
    monkeypatch.setattr("klayer.parallel.runner.train_jobs", note)
    Path("params.yaml").write_text("not: klayer's")
    with pytest.raises(KeyboardInterrupt):
        study.run("one")
    assert trained == {"stage": "study@one", "asked": {(0.1, False), (0.2, False)}}


def test_missing_or_damaged_settings_are_named(folder: Path) -> None:
    Path("settings/one.json").write_text("{")
    with pytest.raises(KlayerError, match=r"settings/one.json is damaged .*--force --single-item"):
        recorded()
    with pytest.raises(KlayerError, match=r"two.json is missing: run `dvc repro`.*known: all.s"):
        of_stage("two", Trials, SETTINGS)


def test_by_hand_a_study_takes_the_present_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(training={"half_cycle": 11})
    monkeypatch.setattr("klayer.stages.study.run", lambda name: None)
    assert CliRunner().invoke(main, ["studies", "train", "one"]).exit_code == 0
    assert recorded().networks[0].training.half_cycle == 11


def test_files_of_a_study_that_is_gone_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, gone = Path("metrics/one.json"), ["metrics/old.json", "plots/seeds/old.csv"]
    for path in (kept, *map(Path, gone)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    study_settings.run()
    assert f"  rm -r -- {' '.join(gone)}\n" in capsys.readouterr().out
    for name in gone:
        Path(name).unlink()
    study_settings.run()
    assert capsys.readouterr().out == ""
