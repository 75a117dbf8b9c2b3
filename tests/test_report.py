from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evidence_files import ACCURACIES, BN, EXPERIMENTS, write_evidence, write_search
from klayer.errors import KlayerError
from klayer.report import question_reported, stability
from klayer.report.contents import SYNTHETIC, document
from klayer.report.document import Document, Figure, Section, Table, Text
from klayer.report.drawing import pngs
from klayer.report.evidence import collect
from klayer.report.page import markdown
from klayer.report.reference import BEST, RUNS
from klayer.stages import report


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a few experiments, whose report has been written."""
    folder = tmp_path_factory.mktemp("written")
    few = {name: about for name, about in EXPERIMENTS.items() if name.startswith("sigma")}
    write_evidence(folder, experiments=few)
    here = os.getcwd()
    os.chdir(folder)
    try:
        report.run()
    finally:
        os.chdir(here)
    return folder


def section(anchor: str) -> Section:
    return next(s for s in document(collect()).sections if s.anchor == anchor)


def texts(of: Section) -> str:
    return " ".join(block.text for block in of.blocks if isinstance(block, Text))


def rows(of: Section) -> dict[str, tuple[str, ...]]:
    return {
        row[0]: row[1:] for block in of.blocks if isinstance(block, Table) for row in block.rows
    }


def tables(of: Document) -> list[Table]:
    blocks = [*of.lead, *(block for s in of.sections for block in s.blocks)]
    return [block for block in blocks if isinstance(block, Table)]


MINUS = "\N{MINUS SIGN}"


def test_numbers_stand_beside_the_reported_ones(project: Path) -> None:
    write_evidence(project, accuracies={**ACCURACIES, "nine_layer_bn": 0.45})
    found = rows(section("numbers"))
    assert found["3 layers"][:3] == ("0.5312", "0.5299 ± 0.0021", "8")
    assert found["3 layers"][3:] == (f"{MINUS}0.13", "6 of 8", "yes")
    assert found["9 layers"][-1] == "8 of 8 learn nothing"
    assert found["9 layers, BN"][-1] == "no"
    assert found["3 layers, σ = 1e-3"] == ("0.1000", "not run", "", "", "", "")


@pytest.mark.parametrize(
    ("shift", "start"),
    [
        (0.0, "Of the 8 numbers, for the 7 that can be compared, yes: no systematic difference"),
        (-0.004, "Ours are systematically lower by 0.39 points (shown"),
        (0.004, "Ours are systematically higher by 0.41 points (shown"),
    ],
)
def test_all_numbers_are_answered_together(project: Path, shift: float, start: str) -> None:
    reported = {row.run: row.test_accuracy for row in (*RUNS, BEST)}
    moved = {name: a + shift * (a > 0.1) for name, a in reported.items()}
    write_evidence(project, accuracies={**ACCURACIES, **moved})
    assert section("numbers").answer.startswith(start)


def test_the_joint_answer_by_hand(project: Path) -> None:
    """The formula of docs/evidence.md, from the tables alone."""
    write_evidence(project)
    names = [row.run for row in (*RUNS, BEST) if row.learns and row.run in ACCURACIES]
    files = [pd.read_csv(f"plots/seeds/{n}.csv", index_col="seed")["test_accuracy"] for n in names]
    table = pd.concat(files, axis=1)
    reported = np.mean([row.test_accuracy for row in (*RUNS, BEST) if row.run in names])
    error = np.sqrt(table.mean(axis=1).var() / len(table) + table.var().sum() / len(names) ** 2)
    joint = question_reported.answer(collect())
    assert joint is not None
    assert joint.estimate is not None
    assert joint.estimate.mean == pytest.approx(table.to_numpy().mean() - reported)
    assert joint.estimate.error == pytest.approx(error)


@pytest.mark.parametrize(
    ("plain", "normalised", "start"),
    [
        (0.1, 0.525, "Yes (shown: 100 % of redrawn seeds say the same): without BN 8 of 8"),
        (0.4, 0.525, "It helps, but does not decide"),
        (0.525, 0.525, "No difference ("),
        (0.1, 0.1, "Not judged: no scatter over the seeds; without BN 8 of 8 networks learn noth"),
        (0.525, 0.4, "No, it harms (shown"),
    ],
    ids=["dead without", "better with", "equal", "both dead", "worse with"],
)
def test_conclusion_on_depth_follows_the_numbers(
    project: Path, plain: Any, normalised: Any, start: str
) -> None:
    accuracies = {**ACCURACIES, "nine_layer": plain, "nine_layer_bn": normalised}
    write_evidence(project, accuracies=accuracies)
    assert section("deep").answer.startswith(start)


@pytest.mark.parametrize(
    ("gain", "start"), [(0.01, "BN helps (shown"), (-0.01, "BN harms (shown"), (0.0, "No differ")]
)
def test_conclusion_on_three_layers_follows_the_numbers(
    project: Path, gain: float, start: str
) -> None:
    accuracies = {**ACCURACIES, "three_layer": 0.53, "three_layer_bn": 0.53 + gain}
    write_evidence(project, accuracies=accuracies)
    assert section("shallow").answer.startswith(start)


def test_conclusion_on_initial_weights_follows_the_numbers(project: Path) -> None:
    write_evidence(project)
    assert section("start").answer.startswith("Yes (shown")
    exchanged = {
        n: ACCURACIES.get(n.removesuffix("_bn") if "_bn" in n else f"{n}_bn", a)
        for n, a in ACCURACIES.items()
    }
    write_evidence(project, accuracies=exchanged)
    assert section("start").answer.startswith("No, it makes them matter more (shown")


def test_he_initialisation_is_told_where_it_was_run(project: Path) -> None:
    write_evidence(project)
    assert "He initialisation" not in texts(section("deep"))
    he = {"nine_layer_he": {"hidden": [50, 30, 20, 20, 10, 10, 10, 10], "initialisation": "he"}}
    write_evidence(
        project, experiments=EXPERIMENTS | he, accuracies={**ACCURACIES, "nine_layer_he": 0.47}
    )
    assert "It is the small initial weights, not depth alone" in texts(section("deep"))
    write_evidence(
        project, experiments=EXPERIMENTS | he, accuracies={**ACCURACIES, "nine_layer_he": 0.1}
    )
    assert "Not judged: no scatter over the seeds; with He init" in texts(section("deep"))


def test_search_sees_a_gain_that_is_there(project: Path) -> None:
    write_evidence(project)
    write_search(project, 0.05, 0.03)
    found = section("l2")
    assert found.answer.startswith("Yes: λ = 0 is not among the values that may be the best (shown")
    assert "% of simulated searches say the same)" in found.answer
    assert "is the only one of 13 values that may be the best" in found.answer


def test_search_sees_no_gain_in_noise(project: Path) -> None:
    write_evidence(project)
    write_search(project, 0, 0)
    assert section("l2").answer.startswith("Not beyond luck: λ = 0 is among the values")


def test_the_best_is_read_and_not_chosen_again(project: Path) -> None:
    write_evidence(project)
    (project / "metrics/search_l2.json").write_text('{"best_l2": 0.01}')
    assert "The search's best, λ = 0.01," in section("l2").answer


def test_schedules_are_judged_by_the_highest_of_fifty(project: Path) -> None:
    write_evidence(project, accuracies={**ACCURACIES, "best_ns_2250": 0.5386 - 0.0002})
    found = section("schedules")
    judged = {row[0]: row for b in found.blocks if isinstance(b, Table) for row in b.rows}
    assert judged["n_s = 2250"][-1].startswith("test only")  # validation lies 1 point above
    assert judged["two cycles"][-1].startswith("neither")
    assert "The highest by n_s = 2250 lies above it and is not the report's." in texts(found)
    assert "A third cycle helps (shown" in texts(found)


def test_a_highest_of_fifty_that_is_too_low_does_not_exclude_a_schedule(project: Path) -> None:
    write_evidence(project)
    path = project / "plots/seeds/best_two_cycles.csv"
    runs = pd.read_csv(path)
    runs["validation_accuracy"] -= runs["validation_accuracy"].mean() - 0.5
    runs.to_csv(path, index=False)
    said = "two cycles lies under it and may still be the report's: values of λ that differ raise"
    found = section("schedules")
    assert said in texts(found)
    judged = {row[0]: row for b in found.blocks if isinstance(b, Table) for row in b.rows}
    std = runs["validation_accuracy"].std()
    half = 2.364624 * std * np.sqrt(1 + 1 / 8)  # Student's 97.5 % quantile, 7 degrees of freedom
    assert judged["two cycles"][4] == f"{0.5 - half:.4f} to {0.5 + half:.4f}"


def test_rows_at_chance_are_compared_as_counts(project: Path) -> None:
    write_evidence(project)
    path = project / "plots/seeds/nine_layer.csv"
    runs = pd.read_csv(path)
    for learnt, said in ((3, "5 of 8 (9 layers: as rep"), (4, "4 of 8 (9 layers: not as rep")):
        runs["learnt"] = [1] * learnt + [0] * (8 - learnt)
        runs.to_csv(path, index=False)
        assert said in section("numbers").answer


def test_every_table_and_picture_says_how_to_get_it(project: Path) -> None:
    write_evidence(project)
    contents = document(collect())
    blocks = [*contents.lead, *(block for s in contents.sections for block in s.blocks)]
    assert all(block.source for block in blocks if not isinstance(block, Text))


def test_stability_is_told_when_it_has_been_run(project: Path) -> None:
    write_evidence(project)
    assert section("stability").answer.startswith("Not known: `klayer stability`")
    found, file = collect(), project / "plots/stability.csv"
    answers, digests = stability.close_answers(found), stability.settings_digests(found)
    again = stability.table(answers, "17-32", digests)
    again.to_csv(file, index=False)
    assert section("stability").answer == (
        f"Yes: all {len(answers)} verdicts on close questions come out the same."
    )
    again.loc[again["question"] == "shallow", "direction"] = "harms"
    again.to_csv(file, index=False)
    assert "though the study had them shown or not shown: " in section("stability").answer
    again.drop(columns="settings").to_csv(file, index=False)
    assert section("stability").answer == (
        "Not known: plots/stability.csv was made with other settings: run `klayer stability`."
    )


@pytest.mark.parametrize(
    ("change", "outdated"),
    [
        ({"l2": 0.025}, "reported, shallow"),
        ({"seeds": [1, 2, 3]}, ""),
        ({"evaluation_interval": 50}, ""),
        ({"schedule": "triangular"}, ""),
        ({"schedule": "constant"}, "reported, shallow"),
    ],
)
def test_verdicts_of_other_settings_are_not_compared(
    project: Path, change: dict[str, Any], outdated: str
) -> None:
    """The pair keeps its question, as both runs change."""
    write_evidence(project)
    found = collect()
    answers, digests = stability.close_answers(found), stability.settings_digests(found)
    again = stability.table(answers, "17-32", digests)
    pair = {name: EXPERIMENTS[name] | change for name in ("three_layer", "three_layer_bn")}
    write_evidence(project, experiments=EXPERIMENTS | pair)
    again.to_csv(project / "plots/stability.csv", index=False)
    said = section("stability").answer
    assert ("with other settings" in said) == bool(outdated)
    assert (
        f"Of {outdated}: made with other settings: run `klayer stability`." in said or not outdated
    )
    assert "Yes: all " in said


def test_ranking_is_given_at_equal_values(project: Path) -> None:
    write_evidence(project)
    write_search(project, 0, 0)
    runs = pd.read_csv(project / "plots/search_l2_runs.csv")
    coarse = runs[runs["phase"] == "coarse"].set_index("l2")["validation_accuracy"]
    at_best = coarse.loc[coarse.index[int(np.abs(coarse.index - 0.00429193).argmin())]]
    ranking = {r[1]: r for t in section("l2").blocks if isinstance(t, Table) for r in t.rows}
    place = int((coarse > at_best).sum()) + 1
    assert ranking["0.00429193"][3:5] == (f"{at_best:.4f}", f"{place} of 50")


@pytest.mark.parametrize(("error", "start"), [(2e-7, "Yes: 120 derivatives"), (1e-3, "No: ")])
def test_conclusion_on_gradients_follows_the_numbers(project: Path, error: Any, start: str) -> None:
    write_evidence(project)
    path = project / "metrics/check_gradients.json"
    path.write_text(f'{{"worst": {error}}}')
    assert section("gradients").answer.startswith(start)


def test_synthetic_images_are_not_compared(project: Path) -> None:
    write_evidence(project, synthetic=True)
    text = markdown(document(collect()))
    assert text.index(SYNTHETIC) < text.index("## In short")
    assert rows(section("numbers"))["3 layers"][-1] == "not comparable"
    assert "nothing can be said" in section("numbers").answer


def test_one_seed_and_other_experiments_are_enough(project: Path) -> None:
    mine = {"mine": {"block": BN}, "three_layer": None}
    write_evidence(project, experiments={n: c or {} for n, c in mine.items()}, seeds=(7,))
    text = markdown(document(collect()))
    assert "Not judged: one seed" in text
    assert "nan" not in text.lower().split()
    assert section("deep").answer.startswith("Not answered")


@pytest.mark.parametrize("name", ["metrics/search_l2.json", "plots/seeds/nine_layer.csv"])
def test_missing_file_is_named(project: Path, name: str) -> None:
    write_evidence(project)
    (project / name).unlink()
    with pytest.raises(KlayerError, match=f"{name} is missing: run `dvc repro`"):
        collect()


def test_broken_file_is_named(project: Path) -> None:
    write_evidence(project)
    (project / "metrics/data.json").write_text("{")
    with pytest.raises(KlayerError, match=r"metrics/data\.json cannot be read"):
        collect()


@pytest.mark.parametrize(
    "name", ["metrics/search_l2.json", "plots/seeds/nine_layer.csv", "plots/search_l2_runs.csv"]
)
@pytest.mark.parametrize("part", [0, 0.3, 0.6, 0.99, 1])
def test_a_file_cut_anywhere_is_named(project: Path, name: str, part: float) -> None:
    """As by a full disk or a power cut."""
    write_evidence(project)
    content = (project / name).read_bytes().rstrip(b"}\n")
    (project / name).write_bytes(content[: int(part * len(content))].rstrip(b"\n"))
    with pytest.raises(KlayerError, match=f"{name} cannot be read"):
        collect()


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("metrics/search_l2.json", "best_l2"),
        ("plots/seeds/nine_layer.csv", "test_accuracy"),
        ("plots/train/three_layer_bn.csv", "validation_accuracy_std"),
        ("plots/runs/three_layer_bn/layers.csv", "gradient_norm"),
        ("plots/search_l2_runs.csv", "phase"),
    ],
)
def test_a_file_that_lacks_a_column_is_named(project: Path, name: str, column: str) -> None:
    """As one of another version, or one that was edited."""
    write_evidence(project)
    content = (project / name).read_text()
    (project / name).write_text(content.replace(column, f"old_{column}", 1))
    with pytest.raises(KlayerError, match=f"^{name} has no {column}: run `dvc repro` again$"):
        collect()


def test_page_needs_nothing_else_and_is_small(written: Path) -> None:
    page = (written / "reports/index.html").read_text()
    assert len(page) < 3e6
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"|@import|url\((?!#)', page) == []
    assert "nan" not in re.findall(r"[a-z]+", page[page.index("</style>") :].lower())


def test_page_and_markdown_have_the_same_tables(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written)
    page = (written / "reports/index.html").read_text()
    text = (written / "reports/report.md").read_text()
    of_both = tables(document(collect()))
    assert len(of_both) > 5
    for table in of_both:
        for row in table.rows:
            assert "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:]) in page
            assert re.search(r" *\| ".join(map(re.escape, row)), text), row


def test_every_picture_of_the_markdown_is_there(written: Path) -> None:
    text = (written / "reports/report.md").read_text()
    linked = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert len(linked) > 6
    for link in linked:
        assert (written / "reports" / link).read_bytes().startswith(b"\x89PNG"), link


def test_another_run_gives_the_same_bytes(written: Path) -> None:
    files = sorted(path for path in (written / "reports").rglob("*") if path.is_file())
    before = {path: path.read_bytes() for path in files}
    environment = os.environ | {"PYTHONHASHSEED": "3"}
    command = [sys.executable, "-c", "from klayer.stages import report; report.run()"]
    subprocess.run(command, cwd=written, env=environment, check=True, capture_output=True)
    assert {path: path.read_bytes() for path in files} == before


@pytest.mark.parametrize("seeds", [(3,), (3, 4)])
def test_smallest_runs_are_reported_without_a_warning(project: Path, seeds: Any) -> None:
    write_evidence(project, seeds=seeds)
    tiny = [("coarse", 1e-3, 1, 0.3), *(("fine", 2e-3, seed, 0.3) for seed in seeds)]
    columns = ["phase", "l2", "seed", "validation_accuracy"]
    pd.DataFrame(tiny, columns=columns).to_csv(project / "plots/search_l2_runs.csv", index=False)
    for name in ("three_layer", "three_layer_bn"):
        for table, rows_kept in ((f"train/{name}", 1), (f"runs/{name}/layers", 3)):
            path = project / f"plots/{table}.csv"
            pd.read_csv(path).head(rows_kept).to_csv(path, index=False)
    contents = document(collect())
    assert "it takes λ = 0 and two seeds" in next(
        s.answer for s in contents.sections if s.anchor == "l2"
    )
    for found in contents.sections:
        for block in found.blocks:
            if isinstance(block, Figure) and found.anchor in ("l2", "shallow"):
                assert all(png.startswith(b"\x89PNG") for png in pngs(block))
