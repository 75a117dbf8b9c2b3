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
from klayer.report.stability import close_answers, settings_digests, study_digest, table

FILE = Path("plots/stability.csv")


@pytest.fixture
def study(project: Path) -> Evidence:
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
    return Evidence(params.read())


def ask(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(main, ["stability", *arguments])
    assert done.exit_code == status, done.output
    return done.output


def test_close_questions_are_asked_again_and_other_seeds_stand_beside(study: Evidence) -> None:
    runs = {question: names for question, (_, names) in close_answers(study).items()}
    assert runs["shallow"] == ["three_layer", "three_layer_bn"]
    assert runs["l2"] == []
    assert not [names for names in runs.values() if "nine_layer" in names]
    rows = table(study, "19-20", settings_digests(study))
    stale = rows.assign(seeds="21-22", settings="unknown")
    pd.concat([rows, rows.assign(seeds="17-18"), stale]).to_csv(FILE, index=False)
    ask("--seeds", "17-18")
    written = pd.read_csv(FILE, dtype={"settings": str})
    assert written["seeds"].unique().tolist() == ["19-20", "17-18"]
    again = written[written["seeds"] == "17-18"]
    assert again["question"].tolist() == list(runs)
    assert (again["low"] <= again["estimate"]).all()
    assert (again["estimate"] <= again["high"]).all()
    assert again["estimate"].tolist() != rows["estimate"].tolist()


def test_an_experiment_of_one_s_own_leaves_the_earlier_run_comparable(study: Evidence) -> None:
    before = study_digest(study)
    known, runs = study.runs["nine_layer"], dict(study.runs)
    study.runs = runs | {"mine": replace(known, name="mine")}
    assert study_digest(study) == before
    changed = replace(known, settings={**known.settings, "l2": 0.5})
    study.runs = runs | {"nine_layer": changed}
    assert study_digest(study) != before


def test_a_study_without_a_close_question_is_named(study: Evidence) -> None:
    settings = tiny_settings()
    settings["experiments"] = {"three_layer": {}}
    settings["search"]["schedules"] = {"two_cycles": {}}
    write_params(settings)
    study.search_runs[study.search_runs["phase"] == "coarse"].to_csv(
        "plots/search_l2_runs.csv", index=False
    )
    assert "none of the close questions' runs" in ask(status=1)


@pytest.mark.parametrize(
    ("seeds", "status", "reason"),
    [
        ("8-20", 1, "[8] are the study's own"),
        ("20-20", 2, "is not FIRST-LAST, such as 17-32"),
    ],
)
def test_other_seeds_are_refused(study: Evidence, seeds: str, status: int, reason: str) -> None:
    assert reason in ask("--seeds", seeds, status=status)
    assert not FILE.exists()


def test_a_missing_study_is_named(project: Path) -> None:
    assert "run `dvc repro`" in ask(status=1)
