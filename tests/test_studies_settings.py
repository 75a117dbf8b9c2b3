"""From the lines of YAML of a study to its networks, and to the file that DVC compares."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, tiny_settings, write_params, write_processed
from klayer import params
from klayer.cli import main
from klayer.errors import KlayerError
from klayer.params import stage_settings
from klayer.settings import Random, Studies, Trial, Trials
from klayer.stages import study, study_settings
from klayer.stages.study_settings import SETTINGS, draws, labels, study_files, trials
from klayer.training.trainer import Job

PLAIN = ["affine", "relu"]
GRID = {"grid": {"l2": [0.1, 0.2]}}
RANDOM = {"random": {"count": 2, "ranges": {"l2": [0.1, 0.2]}}}
SIGMAS = {"across": {"sigma": [0.1, 0.2]}}
BEST = {"ask": "best_value", **SIGMAS}


def sections(**study: Any) -> dict[str, Any]:
    """studies/params.yaml with one study."""
    usual = {"question": "Is it so?", "ask": "gain", "variants": {"a": None, "b": {"l2": 0.5}}}
    return {"training": tiny_settings()["training"], "studies": {"one": usual | study}}


def networks(**study: Any) -> list[Trial]:
    """Those of a study."""
    checked = params.check(Studies, sections(**study))
    return trials("studies.one", checked.studies["one"], checked.training)


def level_of(variant: dict[str, Any]) -> dict[str, Any]:
    """A study of one variant."""
    return {"ask": "level", "variants": {"a": variant}}


def shown(trials: list[Trial]) -> list[tuple[str, str, int]]:
    return [(trial.variant, trial.value, trial.training.seeds[0]) for trial in trials]


def test_the_studies_of_the_project_are_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "studies")
    counts = {name: len(file.get("networks", ())) for name, file in study_files().items()}
    assert counts["learning_rate"] == 6 * 2 * 8
    assert counts["search"] == 2 * 16 * 8


def test_every_variant_has_every_value_and_seed() -> None:
    across = {"half_cycle": [10, 20], "batch_size": [30, 60]}
    trained = networks(across=across, training={"seeds": [3, 4]})
    expected = [(v, n, s) for v in ("a", "b") for n in ("10", "20") for s in (3, 4)]
    assert shown(trained) == expected
    assert trained[-1].varied == {"half_cycle": "20", "batch_size": "60"}  # which goes along
    assert [(t.training.l2, t.training.batch_size) for t in trained[::7]] == [
        (0.005, 30),
        (0.5, 60),
    ]
    assert (networks()[0].value, networks()[0].varied) == ("", {})


def test_a_grid_is_all_combinations() -> None:
    grid = {"l2": [0.1, 0.2], "learning_rate_max": [0.01, 0.02]}
    trained = networks(**level_of({"grid": grid}), training={"seeds": [1]})
    values = [(t.value, t.training.l2, t.training.learning_rate_max) for t in trained]
    assert values == [("1", 0.1, 0.01), ("2", 0.1, 0.02), ("3", 0.2, 0.01), ("4", 0.2, 0.02)]


def test_a_random_search_draws_for_each_seed() -> None:
    random = {"count": 3, "ranges": {"l2": [0.001, 0.1]}}
    trained = networks(**level_of({"random": random}), training={"seeds": [1, 2]})
    seeds = {1: (1, 2, 3), 2: (4, 5, 6)}  # a value is of one seed alone
    assert shown(trained) == [("a", str(n), seed) for seed in seeds for n in seeds[seed]]
    assert len({trial.training.l2 for trial in trained}) == 6


@given(st.integers(0, 1000), st.floats(1e-6, 1e3), st.floats(1.01, 1e3))
def test_draws_lie_within_their_range(seed: int, low: float, times: float) -> None:
    random = Random(count=5, ranges={"sigma": (low, low * times)})
    assert all(0.99 * low <= d["sigma"] <= 1.01 * low * times for d in draws(random, seed))
    assert draws(random, seed) == draws(random, seed)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.1, 3, 1e-5], ["0.1", "3", "1e-05"]),
        ([[50, 50], [50, 30, 30], []], ["50-50", "50-30-30", "none"]),
        ([[50] * 8, [50] * 16], ["9 layers", "17 layers"]),
        ([[50] * 4, [50, 50, 20, 20]], ["50-50-50-50", "50-50-20-20"]),  # of equal depth
        ([PLAIN, [*PLAIN, "dropout"]], ["affine relu", "affine relu dropout"]),
        ([1, 1.0], ["1", "1"]),
    ],
)
def test_values_that_differ_are_shown_differently(values: list[Any], texts: list[str]) -> None:
    assert labels(values) == texts


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"asks": "gain"}, "studies.one.asks is not a known key: did you mean ask?"),
        ({"variants": {"a": {}}}, "variants: gain compares at least two (for one, ask: level)"),
        ({"variants": {"a": {}, "b": None}}, "studies.one.variants has two with the same settings"),
        ({"variants": {"a": {}, "b": {"seeds": [7]}}}, "variants.b: seeds is the same for all"),
        ({"training": {"colour": 3}}, "studies.one.colour is not a known key"),
        ({"across": {"l2": [0.1], "cycles": [1, 2]}}, "across: lists should be of equal"),
        ({"across": {"l2": [0.1]}}, "variants.b.l2 has no effect, as l2 varies"),
        ({"across": {"sigma": [-1.0]}}, "studies.one.sigma is -1.0: input should be greater"),
        ({"across": {"hidden": [[8], [8]], "sigma": [0.1, 1.0]}}, "the same value twice"),
        ({"test": False}, "test: gain needs the test images (without them, ask: level)"),
        ({"ask": "range", "across": {"sigma": [0.1]}}, "across: range compares at least two"),
        (BEST | {"across": {"flip": [False, True]}}, "best_value compares numbers above 0"),
        ({"ask": "statistics", "variants": {"a": {}}}, "training: statistics needs"),
        ({"ask": "statistics"}, "variants: statistics takes one alone"),
        ({"variants": {"a": {}, "b": GRID}}, "has a grid or random, which gain cannot"),
        (level_of({"random": {"count": 2, "ranges": {"l2": [1, 0.1]}}}), "ranges.l2 should go"),
        (level_of(RANDOM | GRID), "variants.a.grid and random exclude each"),
    ],
)
def test_a_mistake_is_named_with_its_place(study: dict[str, Any], message: str) -> None:
    with pytest.raises(KlayerError, match=r"^params\.yaml: ") as caught:
        networks(**study)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """studies/ of a project, with the settings of one study written."""
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    studies = tmp_path / "studies"
    write_processed(studies / "data/processed")
    monkeypatch.chdir(studies)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    write_params(sections(**SIGMAS))
    study_settings.run()
    return studies


def test_what_is_written_is_what_is_read(folder: Path) -> None:
    """In the order of params.yaml: the page takes the name of what varies from the first column."""
    across = {"sigma": [0.1, 0.2], "batch_size": [10, 20]}
    Path("params.yaml").write_text(json.dumps(sections(across=across)))  # as YAML, in this order
    study_settings.run()
    written = stage_settings("one", Trials, SETTINGS)
    assert written.model_dump(mode="json", exclude_defaults=True) == study_files()["one"]
    assert [*written.networks[0].varied] == [*across]
    assert "numpy" in json.loads(Path("settings/one.json").read_text())["libraries"]


@pytest.mark.parametrize(
    ("missing", "batch_size", "message"),
    [
        ("data/processed/train_images.npy", 10, "No such file.*run `dvc repro"),
        ("", 301, "batch_size of studies.one should be at most the 300 images"),
    ],
)
def test_nothing_is_written_where_no_network_could_be_trained(
    folder: Path, missing: str, batch_size: int, message: str
) -> None:
    before = Path("settings/one.json").read_text()
    write_params(sections(training={"batch_size": batch_size}))
    if missing:
        Path(missing).unlink()
    with pytest.raises(KlayerError, match=message):
        study_settings.run()
    assert Path("settings/one.json").read_text() == before


def test_a_study_is_trained_as_its_settings_say(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where params.yaml has been edited since, as while `dvc repro` runs."""
    trained: dict[str, Any] = {}

    def note(stage: str, jobs: list[Job], kept: bool) -> None:
        trained.update(stage=stage, jobs={(job.training.sigma, job.test) for job in jobs})
        raise KeyboardInterrupt

    write_params(sections(ask="level", test=False, **SIGMAS))
    study_settings.run()
    monkeypatch.setattr("klayer.parallel.runner.train_jobs", note)
    Path("params.yaml").write_text("not: klayer's")
    with pytest.raises(KeyboardInterrupt):
        study.run("one")
    assert trained == {"stage": "study@one", "jobs": {(0.1, False), (0.2, False)}}


def test_by_hand_a_study_takes_the_present_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(sections(training={"half_cycle": 11}))
    monkeypatch.setattr("klayer.stages.study.run", lambda name: None)
    assert CliRunner().invoke(main, ["studies", "train", "one"]).exit_code == 0
    assert stage_settings("one", Trials, SETTINGS).networks[0].training.half_cycle == 11


def test_files_of_a_study_that_is_gone_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("metrics/one.json", "metrics/old.json", "plots/seeds/old.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    study_settings.run()
    assert "  rm -r -- metrics/old.json plots/seeds/old.csv\n" in capsys.readouterr().out
