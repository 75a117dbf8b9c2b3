from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evidence_files import ACCURACIES, EXPERIMENTS, write_evidence
from klayer.errors import KlayerError
from klayer.report.contents import REENCODED, SYNTHETIC, document
from klayer.report.document import Document, Figure, Section, Table, Text
from klayer.report.drawing import png
from klayer.report.evidence import collect
from klayer.report.markdown import markdown
from klayer.stages import report


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A project with a few experiments, whose report has been written."""
    folder = tmp_path_factory.mktemp("written")
    few = {name: about for name, about in EXPERIMENTS.items() if name.startswith("sigma")}
    write_evidence(folder, experiments=few, archive="jpeg75")
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


def test_numbers_stand_beside_the_reported_ones(project):
    write_evidence(project, accuracies={**ACCURACIES, "nine_layer_bn": 0.45})
    found = rows(section("numbers"))
    assert found["3 layers"] == ("0.5312", "0.5302 ± 0.0017", "4", "\N{MINUS SIGN}0.10", "agrees")
    assert found["9 layers"] == ("0.1000", "0.1000 ± 0.0000", "4", "+0.00", "agrees")
    assert found["9 layers, BN"][-1] == "differs"
    assert found["3 layers, σ = 1e-3"] == ("0.1000", "not run", "", "", "")


def test_close_is_between_agreement_and_difference(project):
    write_evidence(project, accuracies={**ACCURACIES, "three_layer": 0.52})
    assert rows(section("numbers"))["3 layers"][-1] == "close"
    assert section("numbers").answer.endswith("agree with ours: 8 of 9; close: 1; different: 0.")


@pytest.mark.parametrize(
    ("plain", "normalised", "start"),
    [
        (0.1, 0.525, "Yes: without BN 4 of 4 networks learn nothing, with BN 0 of 4"),
        (0.4, 0.525, "It helps, though the network can be trained without"),
        (0.525, 0.525, "These runs do not show it"),
        (0.1, 0.1, "These runs do not show it: without BN 4 of 4"),
    ],
    ids=["dead without", "better with", "equal", "both dead"],
)
def test_conclusion_on_depth_follows_the_numbers(project, plain, normalised, start):
    accuracies = {**ACCURACIES, "nine_layer": plain, "nine_layer_bn": normalised}
    write_evidence(project, accuracies=accuracies)
    assert section("deep").answer.startswith(start)


@pytest.mark.parametrize(
    ("gain", "start"), [(0.01, "BN helps"), (-0.01, "BN harms"), (0.0, "No difference is shown")]
)
def test_conclusion_on_three_layers_follows_the_numbers(project, gain, start):
    accuracies = {**ACCURACIES, "three_layer": 0.53, "three_layer_bn": 0.53 + gain}
    write_evidence(project, accuracies=accuracies)
    assert section("shallow").answer.startswith(start)


def test_conclusion_on_initial_weights_follows_the_numbers(project):
    write_evidence(project)
    assert section("start").answer.startswith("Yes: over σ from 0.0001 to 0.1 the test accuracy")
    exchanged = {
        n: ACCURACIES[n.removesuffix("_bn") if "_bn" in n else f"{n}_bn"] for n in ACCURACIES
    }
    write_evidence(project, accuracies=exchanged)
    assert section("start").answer.startswith("No, it matters more with BN")


def test_he_initialisation_is_told_where_it_was_run(project):
    write_evidence(project)
    assert "He initialisation" not in texts(section("deep"))
    he = {"nine_layer_he": {"hidden": [50] * 8, "initialisation": "he"}}
    write_evidence(
        project, experiments=EXPERIMENTS | he, accuracies={**ACCURACIES, "nine_layer_he": 0.47}
    )
    assert "it is the small initial weights, not depth alone" in texts(section("deep"))
    write_evidence(
        project, experiments=EXPERIMENTS | he, accuracies={**ACCURACIES, "nine_layer_he": 0.1}
    )
    assert "larger initial weights alone do not train it" in texts(section("deep"))


def search_runs(project: Path, gain_of_best: float, gain_of_any: float) -> None:
    """A search in which one fine λ, or every λ but 0, is better by so much than luck moves it."""
    luck, values = np.random.default_rng(5), np.logspace(-2, -3, 8)
    table = [
        ("coarse", l2, 1, 0.52 + 0.002 * luck.standard_normal()) for l2 in np.logspace(-2, -8, 50)
    ]
    for seed in (11, 12, 13):
        for l2 in (*values, 0.0):
            accuracy = 0.52 + 0.002 * luck.standard_normal()
            accuracy += gain_of_any * (l2 > 0) + gain_of_best * (l2 == values[3])
            table.append(("fine" if l2 else "none", l2, seed, accuracy))
    columns = ["phase", "l2", "seed", "validation_accuracy"]
    pd.DataFrame(table, columns=columns).to_csv(project / "plots/search_l2_runs.csv", index=False)


def test_search_sees_a_gain_that_is_there(project):
    write_evidence(project)
    search_runs(project, 0.05, 0.03)
    found = section("l2")
    assert found.answer.startswith("Against no L2 at all, yes: the best λ, 0.00373,")
    assert "cannot be told from 0 of the 7 other fine values" in found.answer
    assert "2 of its 2 neighbours beaten" in texts(found)
    assert "no more than luck explains" in texts(found)  # the coarse values have no gain


def test_search_sees_no_gain_in_noise(project):
    write_evidence(project)
    search_runs(project, 0, 0)
    assert section("l2").answer.startswith("Not shown: ")
    assert "are not shown to differ" in texts(section("l2"))


def test_search_does_not_take_a_lucky_best_for_an_effect(project):
    write_evidence(project)
    search_runs(project, 0.02, 0)  # of the seven others none
    assert section("l2").answer.startswith("Not beyond doubt: the best λ, 0.00373,")


def test_ranking_is_given_at_equal_values(project):
    write_evidence(project)
    search_runs(project, 0, 0)
    runs = pd.read_csv(project / "plots/search_l2_runs.csv")
    coarse = runs[runs["phase"] == "coarse"].set_index("l2")["validation_accuracy"]
    at_best = coarse.loc[coarse.index[np.abs(coarse.index - 0.00429193).argmin()]]
    ranking = {r[1]: r for t in section("l2").blocks if isinstance(t, Table) for r in t.rows}
    place = int((coarse > at_best).sum()) + 1
    assert ranking["0.00429193"][3:5] == (f"{at_best:.4f}", f"{place} of 50")


@pytest.mark.parametrize(("error", "start"), [(2e-7, "Yes: 12 derivatives"), (1e-3, "No: ")])
def test_conclusion_on_gradients_follows_the_numbers(project, error, start):
    write_evidence(project)
    path = project / "metrics/check_gradients.json"
    path.write_text(f'{{"checked": 12, "largest_relative_error": {error}}}')
    assert section("gradients").answer.startswith(start)


def test_synthetic_images_are_not_compared(project):
    write_evidence(project, archive="synthetic")
    text = markdown(document(collect()))
    assert text.index(SYNTHETIC) < text.index("## In short")
    assert rows(section("numbers"))["3 layers"][-1] == "not comparable"
    assert "agrees" not in text
    assert "nothing can be said" in section("numbers").answer


def test_one_seed_and_other_experiments_are_enough(project):
    mine = {"mine": {"batch_norm": True}, "three_layer": None}
    write_evidence(project, experiments={n: c or {} for n, c in mine.items()}, seeds=(7,))
    text = markdown(document(collect()))
    assert "one seed: its scatter is not known" in text
    assert "no difference between values of λ can be judged" in text
    assert "nan" not in text.lower().split()
    assert rows(section("numbers"))["mine"] == ("0.4000", "1", "0")
    assert section("deep").answer.startswith("Not answered")


@pytest.mark.parametrize("name", ["metrics/train/nine_layer.json", "plots/seeds/nine_layer.csv"])
def test_missing_file_is_named(project, name):
    write_evidence(project)
    (project / name).unlink()
    with pytest.raises(KlayerError, match=f"{name} is missing: run `dvc repro`"):
        collect()


def test_broken_file_is_named(project):
    write_evidence(project)
    (project / "metrics/data.json").write_text("{")
    with pytest.raises(KlayerError, match=r"metrics/data\.json cannot be read"):
        collect()


def test_page_needs_nothing_else_and_is_small(written):
    page = (written / "reports/index.html").read_text()
    assert len(page) < 3e6
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"|@import|url\((?!#)', page) == []
    assert html.escape(REENCODED) in page[: page.index("In short")]
    assert "nan" not in re.findall(r"[a-z]+", page[page.index("</style>") :].lower())


def test_page_and_markdown_have_the_same_tables(written, monkeypatch):
    monkeypatch.chdir(written)
    page = (written / "reports/index.html").read_text()
    text = (written / "reports/report.md").read_text()
    of_both = tables(document(collect()))
    assert len(of_both) > 5
    for table in of_both:
        for row in table.rows:
            assert "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:]) in page
            assert re.search(r" *\| ".join(map(re.escape, row)), text), row


def test_every_picture_of_the_markdown_is_there(written):
    text = (written / "reports/report.md").read_text()
    linked = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert len(linked) > 6
    for link in linked:
        assert (written / "reports" / link).read_bytes().startswith(b"\x89PNG"), link


def test_another_run_gives_the_same_bytes(written):
    files = sorted(path for path in (written / "reports").rglob("*") if path.is_file())
    before = {path: path.read_bytes() for path in files}
    environment = os.environ | {"PYTHONHASHSEED": "3"}
    command = [sys.executable, "-c", "from klayer.stages import report; report.run()"]
    subprocess.run(command, cwd=written, env=environment, check=True, capture_output=True)
    assert {path: path.read_bytes() for path in files} == before


@pytest.mark.parametrize("seeds", [(3,), (3, 4)])
def test_smallest_runs_are_reported_without_a_warning(project, seeds):
    write_evidence(project, seeds=seeds)
    tiny = [("coarse", 1e-3, 1, 0.3), *(("fine", 2e-3, seed, 0.3) for seed in seeds)]
    columns = ["phase", "l2", "seed", "validation_accuracy"]
    pd.DataFrame(tiny, columns=columns).to_csv(project / "plots/search_l2_runs.csv", index=False)
    for name in ("three_layer", "three_layer_bn"):
        for folder, rows_kept in (("train", 1), ("layers", 3)):
            path = project / f"plots/{folder}/{name}.csv"
            pd.read_csv(path).head(rows_kept).to_csv(path, index=False)
    contents = document(collect())
    assert "λ = 0 was not trained" in next(s.answer for s in contents.sections if s.anchor == "l2")
    for found in contents.sections:
        for block in found.blocks:
            if isinstance(block, Figure) and found.anchor in ("l2", "shallow"):
                assert png(block).startswith(b"\x89PNG")
