"""The page's answers follow the numbers, by tables with a known truth."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
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
from klayer.report.reference import BEST, RUNS
from klayer.stages import report as stage

MINUS = "\N{MINUS SIGN}"
DEEP = "nine_layer"
HE = {"nine_layer_he": MORE["nine_layer_he"]}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose report has been written."""
    folder = tmp_path_factory.mktemp("written")
    write_evidence(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stage.run()
    return folder


def section(anchor: str) -> Section:
    return next(s for s in report(read()).sections if s.anchor == anchor)


def rows(of: Section) -> dict[str, tuple[str, ...]]:
    blocks = [*of.blocks, *of.details]
    return {
        row[0]: tuple(row[1:]) for block in blocks if isinstance(block, Table) for row in block.rows
    }


def exchanged() -> dict[str, float]:
    """The accuracies without BN with those that have it."""
    return {
        name: ACCURACIES.get(name.removesuffix("_bn") if "_bn" in name else f"{name}_bn", accuracy)
        for name, accuracy in ACCURACIES.items()
    }


@pytest.mark.parametrize(
    ("anchor", "changes", "answer", "certainty"),
    [
        ("shallow", {"three_layer_bn": 0.541}, "Yes: +1.1", "clear"),
        ("shallow", {"three_layer_bn": 0.535}, "Yes, a little: +0.5", "clear"),
        ("shallow", {"three_layer_bn": 0.52}, f"No, BN harms: {MINUS}0.9", "clear"),
        ("shallow", {"three_layer_bn": 0.53}, "No difference: ", "uncertain"),
        ("deep", {}, "Yes: +42.5", "clear"),
        ("deep", {DEEP: 0.4}, "It helps, but does not decide whether the network trains", "clear"),
        ("deep", {DEEP: 0.525}, "No difference: ", "uncertain"),
        ("deep", {"nine_layer_bn": 0.1}, "Not judged, as nothing scatters", "not judged"),
        ("deep", {DEEP: 0.525, "nine_layer_bn": 0.4}, "No, it harms: ", "clear"),
        ("start", {}, "Yes: with BN the accuracy over σ ranges 39.5", "clear"),
        ("start", exchanged(), "No, more: with BN the accuracy over σ ranges 39.5", "clear"),
    ],
)
def test_answers_follow_the_numbers(
    project: Path, anchor: str, changes: dict[str, float], answer: str, certainty: str
) -> None:
    write_evidence(project, accuracies={**ACCURACIES, **changes})
    found = section(anchor)
    assert (found.answer[: len(answer)], found.certainty) == (answer, certainty)


@pytest.mark.parametrize(
    ("shift", "answer"),
    [
        (0.0, "Yes: no systematic difference"),
        (-0.004, "Nearly: ours are 0.39 points lower on average"),
        (0.004, "Nearly: ours are 0.41 points higher on average"),
    ],
)
def test_all_numbers_are_answered_together(project: Path, shift: float, answer: str) -> None:
    exact = {row.run: row.test_accuracy for row in (*RUNS, BEST)}
    moved = {name: a + shift * (a > 0.1) for name, a in exact.items()}
    write_evidence(project, accuracies={**ACCURACIES, **moved})
    assert section("reported").answer == answer


def test_the_joint_answer_by_hand(project: Path) -> None:
    """The formula of docs/evidence.md, from the tables alone."""
    write_evidence(project)
    names = [row.run for row in (*RUNS, BEST) if row.learns and row.run in ACCURACIES]
    files = [pd.read_csv(f"plots/seeds/{n}.csv", index_col="seed")["test_accuracy"] for n in names]
    table = pd.concat(files, axis=1)
    exact = np.mean([row.test_accuracy for row in (*RUNS, BEST) if row.run in names])
    error = np.sqrt(table.mean(axis=1).var() / len(table) + table.var().sum() / len(names) ** 2)
    joint = reported.together(read()).estimate
    assert joint is not None
    assert joint.mean == pytest.approx(table.to_numpy().mean() - exact)
    assert joint.error == pytest.approx(error)


def test_numbers_stand_beside_the_reported_ones(project: Path) -> None:
    write_evidence(project, accuracies={**ACCURACIES, "nine_layer_bn": 0.45})
    found = rows(section("reported"))
    assert found["3 layers, without BN"][:3] == ("53.12", "52.99 ± 0.21", "8")
    assert found["3 layers, without BN"][3:] == (f"{MINUS}0.13", "6 of 8", "yes")
    assert found["9 layers, without BN"][-1] == "8 of 8 failed to train"
    assert found["9 layers, with BN"][-1] == "no"
    assert found["3 layers, without BN, σ = 0.001"][:2] == ("10.00", "not run")


@pytest.mark.parametrize(
    ("he", "said"), [(0.47, "It is the small initial weights"), (0.1, "not j")]
)
def test_he_initialisation_is_judged_where_it_was_run(project: Path, he: float, said: str) -> None:
    write_evidence(project)
    assert "He init" not in section("deep").numbers
    accuracies = {**ACCURACIES, "nine_layer_he": he}
    write_evidence(project, experiments=EXPERIMENTS | HE, accuracies=accuracies)
    assert said in section("deep").numbers


@pytest.mark.parametrize(
    ("of_best", "of_any", "answer", "certainty"),
    [
        (0.05, 0.03, "Some L2 is better than none", "clear"),
        (
            0.0,
            0.0,
            "No: λ = 0 cannot be told from the best; which value hardly matters",
            "uncertain",
        ),
    ],
)
def test_the_search_sees_a_gain_that_is_there(
    project: Path, of_best: float, of_any: float, answer: str, certainty: str
) -> None:
    write_evidence(project)
    write_search(project, of_best, of_any)
    (project / "metrics/search_l2.json").write_text('{"best_l2": 0.01}')
    found = section("l2")
    assert (found.answer, found.certainty) == (answer, certainty)
    assert "the search's choice, λ = 0.01, is" in found.numbers  # read, and not chosen again


def test_schedules_are_judged_by_the_highest_of_fifty(project: Path) -> None:
    write_evidence(project, accuracies={**ACCURACIES, "best_ns_2250": 0.5386 - 0.0002})
    path = project / "plots/seeds/best_two_cycles.csv"
    runs = pd.read_csv(path)
    runs["validation_accuracy"] -= runs["validation_accuracy"].mean() - 0.5
    runs.to_csv(path, index=False)
    found = section("schedules")
    judged = rows(found)
    assert judged["2 cycles of n_s = 2250"][-2] == "test only"  # validation lies 1 point above
    how = " ".join(found.how)
    assert "by 2 cycles of n_s = 2250 lies above it and is not the report's" in how
    assert "by 2 cycles of n_s = 900 lies under it and may still be the report's" in how
    assert "A third cycle helps: " in found.numbers
    std = runs["validation_accuracy"].std()
    half = 100 * 2.364624 * std * np.sqrt(1 + 1 / 8)  # Student's 97.5 %, 7 degrees of freedom
    assert judged["2 cycles of n_s = 900"][3] == f"{50 - half:.2f} to {50 + half:.2f}"


def test_stability_compares_directions_of_the_same_settings(project: Path) -> None:
    write_evidence(project)
    assert section("stability").answer.startswith("Not answered: `klayer stability`")
    found, file = read(), project / "plots/stability.csv"
    verdicts, digests = stability.close_verdicts(found), stability.settings_digests(found)
    again = stability.table(verdicts, "17-32", digests)
    again.to_csv(file, index=False)
    assert (
        section("stability").answer == f"Yes: all {len(verdicts)} close answers come out the same"
    )
    again.loc[again["question"] == "shallow", "direction"] = "harms"
    again.to_csv(file, index=False)
    said = "Yes, except one: the answer on BN in 3 layers, clear before, changed"
    assert section("stability").answer == said
    again.loc[again["question"] != "reported", "direction"] = "other"
    again.to_csv(file, index=False)
    assert section("stability").answer.startswith("In part: the answers on ")
    again[again["question"] == "reported"].to_csv(file, index=False)
    assert section("stability").answer == "Yes: the one close answer comes out the same"
    again.assign(settings="0" * 16).to_csv(file, index=False)
    assert section("stability").answer.startswith("Not judged: ")


@pytest.mark.parametrize("synthetic", [False, True])
def test_an_earlier_run_is_of_the_same_images(project: Path, synthetic: bool) -> None:
    write_evidence(project, synthetic=synthetic)
    verdicts, digest = stability.close_verdicts(read()), stability.study_digest(read())
    now = stability.table(verdicts, "17-32", stability.settings_digests(read()))
    now.to_csv(project / "plots/stability.csv", index=False)
    now.assign(settings=digest).to_csv(project / "plots/earlier.csv", index=False)
    assert ("In an earlier run" in section("stability").numbers) is not synthetic


@pytest.mark.parametrize(
    ("change", "outdated"),
    [
        ({"l2": 0.025}, True),
        ({"seeds": [1, 2, 3]}, False),
        ({"evaluation_interval": 50}, False),
        ({"schedule": "triangular"}, False),
        ({"schedule": "constant"}, True),
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
    wide: dict[str, Any] = {
        "wide": {"hidden": [200, 200]},
        "wide_bn": {"hidden": [200, 200], "block": BN},
    }
    write_evidence(
        project, experiments=EXPERIMENTS | wide, accuracies={**ACCURACIES, "wide_bn": 0.5}
    )
    found = section("runs")
    row = rows(found)["wide_bn"]
    assert row[:3] == ("3 layers, with BN", "hidden layers of 200 and 200 units", "0 of 8")
    assert row[-1].startswith("+10.0")
    assert "Experiments of your own: wide and wide_bn." in found.numbers
    assert [getattr(block, "name", "") for block in found.blocks] == ["own", ""]


@pytest.mark.parametrize("name", ["metrics/search_l2.json", "plots/seeds/nine_layer.csv"])
@pytest.mark.parametrize("damage", ["gone", "cut", "column"])
def test_a_damaged_file_is_named(project: Path, name: str, damage: str) -> None:
    write_evidence(project)
    path, text = project / name, (project / name).read_text()
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_text(text[: len(text) // 2])
    else:
        path.write_text(re.sub("best_l2|test_accuracy", "old", text))
    said = {"gone": "is missing: run `dvc repro`", "cut": "cannot be read", "column": "has no "}
    with pytest.raises(KlayerError, match=f"^{name} {said[damage]}"):
        report(read())


DAMAGES = {
    "metrics/search_l2.json": [('{"best_l2": "x"}', "could not convert")],
    "plots/seeds/nine_layer.csv": [
        ("{0}", "damaged"),
        ("{0}oops{1}", "could not convert string to float"),
        ("{0}inf{1}", "damaged"),
        ("{0}1{1}1{1}", "has a seed twice"),
    ],
}


@pytest.mark.parametrize(("name", "text", "said"), [(n, *d) for n in DAMAGES for d in DAMAGES[n]])
def test_wrong_values_are_named(project: Path, name: str, text: str, said: str) -> None:
    write_evidence(project)
    if name.endswith("csv"):
        head, row, *_ = (project / name).read_text().splitlines(keepends=True)
        text = text.format(head, row[row.index(",") :])
    (project / name).write_text(text)
    with pytest.raises(KlayerError, match=f"^{name} .*{said}"):
        report(read())


def test_page_and_markdown_say_the_same(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written)
    page = (written / "reports/index.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    text = (written / "reports/report.md").read_text()
    assert text == markdown(report(read()))
    assert len(page) < 3e6
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"|@import|url\((?!#)', page) == []
    for found in report(read()).sections:
        assert f"<strong>{escape(found.answer)}</strong> {escape(found.numbers)}" in page
        assert f"\n**{found.answer}** {found.numbers}".rstrip() in text
        for name, cells in rows(found).items():
            assert all(f">{escape(cell)}</td>" in page for cell in cells)
            assert re.search(r" *\| ".join(map(re.escape, (name, *cells))), text), name
    for link in re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text):
        assert (written / "reports" / link).read_bytes().startswith(b"\x89PNG"), link


def test_another_run_gives_the_same_bytes_and_prints_a_link(written: Path) -> None:
    files = sorted(path for path in (written / "reports").rglob("*") if path.is_file())
    before = {path: path.read_bytes() for path in files}
    environment = os.environ | {"PYTHONHASHSEED": "3", "COLUMNS": "70"}
    command = [sys.executable, "-c", "from klayer.stages import report; report.run()"]
    done = subprocess.run(
        command, cwd=written, env=environment, check=True, capture_output=True, text=True
    )
    assert {path: path.read_bytes() for path in files} == before
    *lines, last = done.stdout.splitlines()
    assert max(map(len, lines)) <= 70
    assert last == (written / "reports/index.html").as_uri()


def test_synthetic_images_are_not_compared(project: Path) -> None:
    write_evidence(project, synthetic=True)
    document = report(read())
    assert document.warning.startswith("These results are from images that are synthetic")
    assert section("reported").answer == "Not answered: the images are synthetic."
    sections = json.loads(Path("params.yaml").read_text())
    assert stability.settings_digests(read(sections))
