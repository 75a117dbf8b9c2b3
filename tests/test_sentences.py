"""No sentence about a number that does not exist: every question over evidence of every size."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import ROOT
from evidence_files import (
    ACCURACIES,
    BN,
    EXPERIMENTS,
    IMAGES,
    MORE,
    TRAINING,
    write_evidence,
    write_run,
    write_search,
)
from klayer import params
from klayer.report import reference
from klayer.report.comparison import OFF, WATCHED, files, unlike
from klayer.report.contents import document
from klayer.report.document import Document, Figure
from klayer.report.drawing import pngs
from klayer.report.evidence import collect
from klayer.report.page import markdown
from klayer.settings import Training
from klayer.stages import report

ALL = EXPERIMENTS | MORE
EXPERIMENTS_LEFT: dict[str, dict[str, dict[str, Any]]] = {
    "all": ALL,
    "one": {"nine_layer": ALL["nine_layer"]},
    "a pair and its rival": {
        n: a for n, a in ALL.items() if n.startswith(("three", "nine_layer_h"))
    },
    "own": {"mine": {"hidden": [], "block": BN}, "sigma_1e-1_bn": ALL["sigma_1e-1_bn"]},
}
SEARCHES = {"usual": (12, 50), "two": (2, 2), "one": (1, 1)}  # fine and coarse values
NUMBERS = {"scattered": (ACCURACIES, 1.0), "equal": (dict.fromkeys(ACCURACIES, 0.5), 0.0)}

NOUNS = "seed|value|network|run|number|point|layer|verdict|pair|class|question|schedule|time"
WRONG = {
    "no number": r"\b(nan|inf|none|null)\b(?! (of|agrees|was))",
    "one of many": rf"(?<![\d.,])1 ({NOUNS})(s|es)\b",
    "one of one": r"\b0 of 0\b",
    "nothing listed": r"[:;,(]\s*[.;)]|\(\)|\[\]|: *$| ,|,,|\.\.",
    "none may be the best": r"\b0 of \d+ values",
    "unfilled": r"[{}]",
}


def check(text: str) -> None:
    for kind, pattern in WRONG.items():
        found = re.search(pattern, text, re.IGNORECASE)
        assert not found, f"{kind}: {text[max(found.start() - 150, 0) : found.end() + 50]}"


def write(
    folder: Path,
    left: str = "all",
    seeds: tuple[int, ...] = (1, 2),
    search: str = "usual",
    numbers: str = "scattered",
    **more: Any,
) -> None:
    accuracies, luck = NUMBERS[numbers]
    known: dict[str, Any] = {"seeds": seeds, "accuracies": accuracies, "luck": luck}
    write_evidence(folder, experiments=EXPERIMENTS_LEFT[left], **known, **more)
    fine, coarse = SEARCHES[search]
    noise = 0.002 * luck
    write_search(folder, 0, 10 * noise, seeds, noise=noise, count=fine, coarse=coarse)


def said_of(report: Document) -> str:
    """All sentences and cells, without the captions' colons before tables."""
    text = markdown(report)
    for block in re.findall(r"^.*:$(?=\n\n\|)", text, re.MULTILINE):
        text = text.replace(block, block.removesuffix(":"))
    text = re.sub(r"!?\[[^]]*\]\([^)]*\)|\|[ |]*\||^\|[ -|]*\|$", "", text, flags=re.MULTILINE)
    return text.replace("hidden is []", "hidden is [0]")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("left", "seeds", "search", "numbers"),
    list(itertools.product(EXPERIMENTS_LEFT, [(7,), (7, 8), (1, 2, 3)], SEARCHES, NUMBERS)),
)
def test_every_sentence_has_its_numbers(
    project: Path, left: str, seeds: tuple[int, ...], search: str, numbers: str
) -> None:
    write(project, left, seeds, search, numbers)
    text = said_of(document(collect()))
    check(text)
    if len(seeds) == 1 or numbers == "equal":
        assert not re.search(r"\((shown|not shown|suggested)\b", text)
        assert not re.search(r"of \d+ lies? within", text)


@pytest.mark.parametrize(
    ("seeds", "numbers", "more"),
    [
        ((7,), "scattered", {"synthetic": True}),
        ((7, 8), "equal", {"training": TRAINING | {"schedule": "constant", "hidden": [64]}}),
        ((7, 8), "scattered", {"schedules": {"ns_1350": {"half_cycle": 9, "schedule": "step"}}}),
        ((7,), "scattered", {"training": TRAINING | {"hidden": []}}),
    ],
)
def test_it_can_all_be_drawn(
    project: Path, seeds: tuple[int, ...], numbers: str, more: dict[str, Any]
) -> None:
    write(project, seeds=seeds, numbers=numbers, search="one", **more)
    check(said_of(document(collect())))
    report.run()
    page = Path("reports/index.html").read_text()
    words = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert not re.search(r"\bnan\b|\binf\b", words, re.IGNORECASE)


def test_no_seed_in_common_is_said(project: Path) -> None:
    write(project)
    for number, path in enumerate(sorted(Path("plots/seeds").glob("*.csv"))):
        runs = pd.read_csv(path)
        runs.assign(seed=runs["seed"] + 10 * number).to_csv(path, index=False)
    found = {section.anchor: section for section in document(collect()).sections}
    for anchor in ("numbers", "shallow", "deep", "start"):
        assert found[anchor].answer.startswith("Not judged: no seed in common"), anchor
        for block in found[anchor].blocks:
            if isinstance(block, Figure):
                pngs(block)
    assert "none was repeated" not in found["numbers"].answer.lower()
    assert "of 8 lie within our 95 % predictions" in found["numbers"].answer
    check(said_of(document(collect())))


def test_what_other_experiments_left_is_not_read(project: Path) -> None:
    write(project, "a pair and its rival")
    before = markdown(document(collect()))
    for kind in ("seeds", "train"):
        Path(f"plots/{kind}/removed.csv").write_text("seed\n")
    Path("metrics/train/removed.json").write_text("{}")
    assert markdown(document(collect())) == before


def test_classes_are_named_as_in_the_tables(project: Path) -> None:
    write(project)
    for name in ("confusion", "examples"):
        path = Path(f"plots/runs/best_two_cycles/{name}.csv")
        path.write_text(path.read_text().replace("airplane", "NA").replace("cat", "007"))
    confusion = Path("plots/runs/best_two_cycles/confusion.csv")
    confusion.write_text(confusion.read_text().replace("NA,NA,550", "NA,NA,551"))
    text = markdown(document(collect()))
    assert "It knows NA best" in text
    assert "\n4. 007: 007 11 %" in text
    assert "airplane" not in text


OTHER_FILES = ["0" * 64 + " batches.meta", *IMAGES["sha256"][1:]]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ({"sha256": OTHER_FILES}, "not the original CIFAR-10"),
        ({"validation": 1000}, "divided in another way, 1,000 of them for validation"),
    ],
)
def test_other_images_are_not_compared(project: Path, images: dict[str, Any], said: str) -> None:
    write(project)
    sections = json.loads(Path("params.yaml").read_text())
    Path("params.yaml").write_text(json.dumps(sections | {"data": sections["data"] | images}))
    text = said_of(document(collect()))
    check(text)
    assert f"from images that are {said}" in text
    assert f"The images are {said}" in text
    assert "lie within" not in text
    assert "CIFAR-10, the original" not in text


def test_only_the_report_s_experiment_is_compared(project: Path) -> None:
    write(project, training=TRAINING | {"hidden": [64]})
    sections = {section.anchor: section for section in document(collect()).sections}
    numbers, shallow, deep = (sections[anchor] for anchor in ("numbers", "shallow", "deep"))
    assert "over the 1 number of runs that learn" in numbers.answer  # 9 layers have their own
    assert (
        "Not the report's experiment, so not compared: 3 layers (hidden is [64])" in numbers.answer
    )
    assert "not the report's experiment: hidden is [64]" in markdown(document(collect()))
    assert shallow.title == "What does BN change in the 2-layer network?"
    assert deep.title == "Does BN make the 9-layer network trainable?"


def test_more_than_bn_is_no_question_of_bn(project: Path) -> None:
    """As in the tutorial of the README."""
    write(project)
    sections = json.loads(Path("params.yaml").read_text())
    sections["experiments"]["three_layer_bn"]["l2"] = 0.025
    sections["experiments"]["mine"] = {"l2": 0.025}
    Path("params.yaml").write_text(json.dumps(sections))
    write_run(project, "mine", [0.4, 0.5], (1, 2))
    text = said_of(document(collect()))
    assert "Not answered: more than BN tells the two: l2 is 0.025." in text
    assert "not BN alone: l2 is 0.025" in text
    row = next(line for line in text.splitlines() if line.startswith("| mine "))
    assert "(three_layer_bn)" in row
    assert "l2 is 0.025" in row
    check(text)


def test_the_settings_of_the_report_are_those_of_the_project() -> None:
    sections = params.read(ROOT / "params.yaml")
    assert TRAINING.items() <= sections["training"].items()
    optional = {n: f.default for n, f in Training.model_fields.items() if not f.is_required()}
    assert {key: value for key, value in optional.items() if key not in WATCHED} == OFF
    for row in reference.RUNS:
        settings = sections["training"] | sections["experiments"][row.run]
        assert unlike(row, settings) == "", row.run
    assert files(sections["data"]["sha256"]) == files(IMAGES["sha256"])
