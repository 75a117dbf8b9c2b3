"""The page's answers follow the numbers, by tables with a known truth."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape

from evidence_files import ACCURACIES, BN, EXPERIMENTS, MORE, read, write_evidence, write_search
from klayer.errors import KlayerError
from klayer.report import reported, stability
from klayer.report.contents import report
from klayer.report.page import Section, Table, markdown
from klayer.report.reference import ROWS
from klayer.stages import report as stage

MINUS = "\N{MINUS SIGN}"
DEEP = "nine_layer"
STABILITY = Path("plots/stability.csv")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def section(anchor: str) -> Section:
    return next(s for s in report(read()).sections if s.anchor == anchor)


def rows(of: Section) -> dict[str, list[str]]:
    tables = [block for block in (*of.blocks, *of.details) if isinstance(block, Table)]
    return {name: cells for table in tables for name, *cells in table.rows}


def edit(path: str, **columns: Any) -> None:
    """Columns of a table, or functions of the table that give them."""
    pd.read_csv(path).assign(**columns).to_csv(path, index=False)


@pytest.mark.parametrize(
    ("anchor", "changes", "answer", "certainty"),
    [
        ("shallow", {"three_layer_bn": 0.541}, "Yes: +1.1", "clear"),
        ("shallow", {"three_layer_bn": 0.535}, "Yes, a little: +0.5", "clear"),
        ("shallow", {"three_layer_bn": 0.52}, f"No, BN harms: {MINUS}0.9", "clear"),
        ("shallow", {"three_layer_bn": 0.53}, "No difference: ", "uncertain"),
        ("deep", {}, "Yes: +42.5", "clear"),
        ("deep", {DEEP: 0.4}, "It helps, but does not decide whether the network trains", "clear"),
        ("deep", {"nine_layer_bn": 0.1}, "Not judged, as nothing scatters", "not judged"),
        ("start", {}, "Yes: with BN the accuracy over σ ranges 39.5", "clear"),
        ("start", {"sigma_1e-4": 0.5, "sigma_1e-4_bn": 0.1}, "No, more: with BN", "clear"),
    ],
)
def test_answers_follow_the_numbers(
    project: Path, anchor: str, changes: dict[str, float], answer: str, certainty: str
) -> None:
    write_evidence(project, accuracies={**ACCURACIES, **changes})
    question = section(anchor)
    assert (question.answer[: len(answer)], question.certainty) == (answer, certainty)


@pytest.mark.parametrize(
    ("shift", "answer"),
    [
        (0.0, "Yes: no systematic difference"),
        (-0.004, "Nearly: ours are 0.39 points lower on average"),
        (0.02, "No: ours are 2.01 points higher on average"),
    ],
)
def test_all_numbers_are_answered_together(project: Path, shift: float, answer: str) -> None:
    exact = {row.run: row.test_accuracy for row in ROWS}
    moved = {name: a + shift * (a > 0.1) for name, a in exact.items()}
    write_evidence(project, accuracies={**ACCURACIES, **moved})
    assert section("reported").answer == answer


def test_the_joint_answer_by_hand(project: Path) -> None:
    """The formula of docs/evidence.md, from the tables alone."""
    write_evidence(project)
    names = [row.run for row in ROWS if row.learns and row.run in ACCURACIES]
    files = [pd.read_csv(f"plots/seeds/{n}.csv", index_col="seed")["test_accuracy"] for n in names]
    table = pd.concat(files, axis=1)
    exact = np.mean([row.test_accuracy for row in ROWS if row.run in names])
    error = np.sqrt(table.mean(axis=1).var() / len(table) + table.var().sum() / len(names) ** 2)
    joint = reported.together(read()).estimate
    assert joint is not None
    assert joint.mean == pytest.approx(table.to_numpy().mean() - exact)
    assert joint.error == pytest.approx(error)


def test_numbers_stand_beside_the_reported_ones(project: Path) -> None:
    write_evidence(project, accuracies={**ACCURACIES, "nine_layer_bn": 0.45})
    table = rows(section("reported"))
    row = ["53.12", "52.99 ± 0.21", "8", f"{MINUS}0.13", "6 of 8", "yes"]
    assert table["3 layers, without BN"] == row
    assert table["9 layers, without BN"][-1] == "8 of 8 failed to train"
    assert table["9 layers, with BN"][-1] == "no"
    assert table["3 layers, without BN, σ = 0.001"][:2] == ["10.00", "not run"]


@pytest.mark.parametrize(("he", "answer"), [(0.47, "It is the small"), (0.1, "are not judged")])
def test_he_initialisation_is_judged_where_it_was_run(
    project: Path, he: float, answer: str
) -> None:
    write_evidence(project)
    assert "He init" not in section("deep").numbers
    experiments = EXPERIMENTS | {"nine_layer_he": MORE["nine_layer_he"]}
    write_evidence(project, experiments, accuracies={**ACCURACIES, "nine_layer_he": he})
    assert answer in section("deep").numbers


@pytest.mark.parametrize(
    ("gain_of_best", "gain_of_any", "answer", "certainty"),
    [
        (0.05, 0.03, "Some L2 is better than none", "clear"),
        (
            0,
            0,
            "No: λ = 0 cannot be distinguished from the best; which value hardly matters",
            "uncertain",
        ),
    ],
)
def test_the_search_sees_a_gain_that_is_there(
    project: Path, gain_of_best: float, gain_of_any: float, answer: str, certainty: str
) -> None:
    write_evidence(project)
    write_search(project, gain_of_best, gain_of_any)
    Path("metrics/search_l2.json").write_text('{"best_l2": 0.01}')
    question = section("l2")
    assert (question.answer, question.certainty) == (answer, certainty)
    assert "the search's choice, λ = 0.01, is" in question.numbers  # read, and not chosen again


def test_schedules_are_judged_by_the_highest_of_fifty(project: Path) -> None:
    write_evidence(project, accuracies={**ACCURACIES, "best_ns_2250": 0.5386 - 0.0002})
    path = "plots/seeds/best_two_cycles.csv"
    validation = pd.read_csv(path)["validation_accuracy"]
    edit(path, validation_accuracy=validation - validation.mean() + 0.5)
    question = section("schedules")
    judged, how = rows(question), " ".join(question.how)
    assert judged["2 cycles of n_s = 2250"][-2] == "test only"  # validation lies 1 point above
    assert "by 2 cycles of n_s = 2250 lies above it and is not the report's" in how
    assert "by 2 cycles of n_s = 900 lies under it and may still be the report's" in how
    assert "A third cycle helps: " in question.numbers
    half = 100 * 2.364624 * validation.std() * np.sqrt(1 + 1 / 8)  # Student's 97.5 %, freedom 7
    assert judged["2 cycles of n_s = 900"][3] == f"{50 - half:.2f} to {50 + half:.2f}"


def write_stability() -> int:
    """The study's own verdicts as those of fresh seeds, and of an earlier run; how many."""
    study = read()
    rows = stability.table(study, "17-32", stability.settings_digests(study))
    rows.to_csv(STABILITY, index=False)
    earlier = rows.assign(settings=stability.study_digest(study))
    earlier.to_csv("plots/earlier.csv", index=False)
    return len(rows)


def test_stability_compares_directions_of_the_same_settings(project: Path) -> None:
    write_evidence(project)
    assert section("stability").answer.startswith("Not answered: `klayer stability`")
    count = write_stability()
    assert section("stability").answer == f"Yes: all {count} close answers come out the same"
    rows = pd.read_csv(STABILITY, index_col="question", dtype=str)
    for questions, answer in (
        (["shallow"], "Yes, except one: the answer on BN in 3 layers, clear before, changed"),
        (rows.index[1:], "In part: the answers on "),
    ):
        rows.loc[questions, "direction"] = "other"
        rows.to_csv(STABILITY)
        assert section("stability").answer.startswith(answer)
    edit(str(STABILITY), settings="0" * 16)
    assert section("stability").answer.startswith("Not judged: ")


@pytest.mark.parametrize("synthetic", [False, True])
def test_synthetic_images_are_not_compared(project: Path, synthetic: bool) -> None:
    write_evidence(project, synthetic=synthetic)
    write_stability()
    assert ("images that are synthetic" in report(read()).warning) is synthetic
    not_answered = section("reported").answer == "Not answered: the images are synthetic."
    assert not_answered is synthetic
    assert ("In an earlier run" in section("stability").numbers) is not synthetic


@pytest.mark.parametrize(
    ("change", "outdated"),
    [
        ({"l2": 0.025}, True),
        ({"schedule": "constant"}, True),
        ({"seeds": [1, 2, 3], "evaluation_interval": 50, "schedule": "triangular"}, False),
    ],
)
def test_digests_are_of_what_changes_a_network(
    project: Path, change: dict[str, Any], outdated: bool
) -> None:
    """The pair keeps its question, as both runs change."""
    write_evidence(project)
    before = stability.settings_digests(read())
    pair = {name: EXPERIMENTS[name] | change for name in ("three_layer", "three_layer_bn")}
    write_evidence(project, experiments=EXPERIMENTS | pair)
    after = stability.settings_digests(read())
    assert (before["shallow"] != after["shallow"]) == outdated
    assert before["sigma_1e-1"] == after["sigma_1e-1"]


def test_an_experiment_of_one_s_own_is_on_the_page(project: Path) -> None:
    wide: dict[str, Any] = {"hidden": [200, 200]}
    experiments = EXPERIMENTS | {"wide": wide, "wide_bn": {**wide, "block": BN}}
    write_evidence(project, experiments, accuracies={**ACCURACIES, "wide_bn": 0.5})
    question = section("runs")
    row = rows(question)["wide_bn"]
    assert row[:3] == ["3 layers, with BN", "hidden layers of 200 and 200 units", "0 of 8"]
    assert row[-1].startswith("+10.0")
    assert "Experiments of your own: wide and wide_bn." in question.numbers
    assert [getattr(block, "name", "") for block in question.blocks] == ["own", ""]


METRICS, SEEDS = "metrics/search_l2.json", "plots/seeds/nine_layer.csv"


@pytest.mark.parametrize(
    ("name", "pattern", "text", "reason"),
    [
        (METRICS, ".*", '{"best_l2": "x"}', "cannot be read"),
        (METRICS, "best_l2", "old", "has no best_l2"),
        (SEEDS, "test_accuracy", "old", "has no test_accuracy"),
        (SEEDS, r"\n.*", "", "damaged"),
        (SEEDS, r"\n$", "", "cut short"),
        (SEEDS, r"\n1,0\.1", "\n1,x", "cannot be read"),
        (SEEDS, r"\n1,0\.1", "\n1,inf", "damaged"),
        (SEEDS, r"\n2,", "\n1,", "has a seed twice"),
    ],
)
def test_a_damaged_file_is_named(
    project: Path, name: str, pattern: str, text: str, reason: str
) -> None:
    write_evidence(project)
    path = project / name
    path.write_text(re.sub(pattern, text, path.read_text(), count=1, flags=re.DOTALL))
    with pytest.raises(KlayerError, match=f"^{name} .*{reason}"):
        report(read())
    path.unlink()
    with pytest.raises(KlayerError, match=f"^{name} is missing: run `dvc repro`"):
        report(read())


def test_page_and_markdown_say_the_same(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_evidence(project)
    stage.run()
    assert (
        capsys.readouterr().out.splitlines()[-1] == Path("reports/index.html").absolute().as_uri()
    )
    page = Path("reports/index.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    text = Path("reports/report.md").read_text()
    assert text == markdown(report(read()))
    assert len(page) < 3e6
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"|@import|url\((?!#)', page) == []
    for part in report(read()).sections:
        assert f"<strong>{escape(part.answer)}</strong> {escape(part.numbers)}" in page
        assert f"\n**{part.answer}** {part.numbers}".rstrip() in text
        for name, cells in rows(part).items():
            assert all(f">{escape(cell)}</td>" in page for cell in cells)
            assert re.search(r" *\| ".join(map(re.escape, (name, *cells))), text), name
    for link in re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text):
        assert Path("reports", link).read_bytes().startswith(b"\x89PNG"), link
