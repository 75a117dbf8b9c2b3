"""`klayer stability`: the close questions again, with fresh seeds, on tiny networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from conftest import BATCH_NORM, tiny_settings, write_params
from evidence_files import write_evidence
from klayer import params
from klayer.cli import main
from klayer.report.evidence import Evidence
from klayer.report.stability import close_runs, close_verdicts, study_digest

FILE = Path("plots/stability.csv")


@pytest.fixture
def study(project: Path) -> Path:
    """The tables of a study, and settings by which its runs are small."""
    settings = tiny_settings()
    normal = {"initialisation": "normal", "sigma": 0.1}
    settings["experiments"] = {
        "three_layer": {},
        "three_layer_bn": {"block": BATCH_NORM},
        "nine_layer": {},
        "sigma_1e-1": normal,
        "sigma_1e-1_bn": normal | {"block": BATCH_NORM},
    }
    settings["search"]["schedules"] = {"two_cycles": {}, "three_cycles": {"cycles": 2}}
    write_evidence(project)
    write_params(settings)
    return project


def study_now() -> Evidence:
    return Evidence(params.read())


def ask(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(main, ["stability", *arguments])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return done.output


def test_only_runs_of_close_questions_are_trained(study: Path) -> None:
    runs = {name for names in close_runs(study_now()).values() for name in names}
    assert "nine_layer" not in runs
    assert {"three_layer", "three_layer_bn", "sigma_1e-1"} <= runs


def test_every_close_question_is_asked_again(study: Path) -> None:
    asked = list(close_verdicts(study_now()))
    ask("--seeds", "17-20")
    again = pd.read_csv(FILE)
    assert again["question"].tolist() == asked
    assert set(again["seeds"]) == {"17-20"}
    assert (again["low"] <= again["estimate"]).all()
    assert (again["estimate"] <= again["high"]).all()


def test_sets_of_seeds_stand_beside_each_other_and_are_replaced(study: Path) -> None:
    ask("--seeds", "17-18")
    first = FILE.read_bytes()
    ask("--seeds", "17-18")
    assert FILE.read_bytes() == first
    ask("--seeds", "19-20")
    both = pd.read_csv(FILE)
    assert both["seeds"].unique().tolist() == ["17-18", "19-20"]
    assert FILE.read_bytes().startswith(first)


def test_rows_of_other_settings_go(study: Path) -> None:
    ask("--seeds", "17-18")
    rows = pd.read_csv(FILE, dtype={"settings": str})
    rows.assign(seeds="19-20", settings="unknown").to_csv(FILE, index=False)
    ask("--seeds", "17-18")
    pd.testing.assert_frame_equal(pd.read_csv(FILE, dtype={"settings": str}), rows)


def test_an_experiment_of_one_s_own_leaves_the_earlier_run_comparable(study: Path) -> None:
    evidence = study_now()
    before = study_digest(evidence)
    known, runs = evidence.runs["nine_layer"], dict(evidence.runs)
    evidence.runs = runs | {"mine": replace(known, name="mine")}
    assert study_digest(evidence) == before
    changed = replace(known, settings={**known.settings, "l2": 0.5})
    evidence.runs = runs | {"nine_layer": changed}
    assert study_digest(evidence) != before


def test_a_study_without_a_close_question_is_named(study: Path) -> None:
    settings = tiny_settings()
    settings["experiments"] = {"three_layer": {}}
    settings["search"]["schedules"] = {"two_cycles": {}}
    write_params(settings)
    for name in ("fine", "none"):
        runs = pd.read_csv("plots/search_l2_runs.csv")
        runs[runs["phase"] != name].to_csv("plots/search_l2_runs.csv", index=False)
    assert "none of the close questions' runs" in ask(status=1)


@pytest.mark.parametrize(
    ("seeds", "status", "reason"),
    [
        ("8-20", 1, "[8] are the study's own"),
        ("20", 2, "is not FIRST-LAST, such as 17-32"),
        ("20-20", 2, "is not FIRST-LAST, such as 17-32"),
    ],
    ids=["not fresh", "no range", "one seed"],
)
def test_other_seeds_are_refused(study: Path, seeds: str, status: int, reason: str) -> None:
    assert reason in ask("--seeds", seeds, status=status)
    assert not FILE.exists()


def test_a_missing_study_is_named(project: Path) -> None:
    assert "run `dvc repro`" in ask(status=1)
