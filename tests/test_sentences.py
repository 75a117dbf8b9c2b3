"""No sentence about a number that does not exist: every question over evidence of every size."""

from __future__ import annotations

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
    read,
    write_evidence,
    write_run,
    write_search,
)
from klayer import params
from klayer.report import reference
from klayer.report.contents import report
from klayer.report.page import markdown
from klayer.report.words import OFF, WATCHED
from klayer.settings import Training
from klayer.stages import report as stage

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
    "no number": r"\b(nan|inf|null|(?<!than )none)\b(?! agrees)",
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


def sentences() -> str:
    """All sentences and cells, without the captions' colons before tables, links and rules."""
    text = re.sub(r":(?=\n\n\|)", "", markdown(report(read())))
    links_and_rules = r"!?\[[^]]*\]\([^)]*\)|<[^>]*>|\|[ |]*\||^\|[ -|]*\|$"
    return re.sub(links_and_rules, "", text, flags=re.MULTILINE).split("\n## Words")[0]


def sections() -> dict[str, str]:
    """The answer and the numbers of each question."""
    return {s.anchor: f"{s.answer} {s.numbers}" for s in report(read()).sections}


def change_settings(section: str, **changes: Any) -> None:
    settings = json.loads(Path("params.yaml").read_text())
    settings[section] |= changes
    Path("params.yaml").write_text(json.dumps(settings))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("left", EXPERIMENTS_LEFT)
@pytest.mark.parametrize(
    ("seeds", "search", "numbers"),
    [
        ((7,), "one", "scattered"),
        ((7, 8), "usual", "scattered"),
        ((7, 8), "two", "equal"),
        ((1, 2, 3), "two", "scattered"),
    ],
)
def test_every_sentence_has_its_numbers(
    project: Path, left: str, seeds: tuple[int, ...], search: str, numbers: str
) -> None:
    write(project, left, seeds, search, numbers)
    check(sentences())
    if len(seeds) == 1 or numbers == "equal":
        certainties = {section.certainty for section in report(read()).sections}
        assert certainties <= {"", "too few seeds", "not judged"}


@pytest.mark.parametrize(
    ("seeds", "numbers", "more"),
    [
        ((7, 8), "equal", {"training": TRAINING | {"schedule": "constant", "hidden": []}}),
        ((7,), "scattered", {"schedules": {"ns_1350": {"half_cycle": 9, "schedule": "step"}}}),
    ],
)
def test_it_can_all_be_drawn(
    project: Path, seeds: tuple[int, ...], numbers: str, more: dict[str, Any]
) -> None:
    write(project, seeds=seeds, numbers=numbers, search="one", **more)
    check(sentences())
    stage.run()


def test_no_seed_in_common_is_said(project: Path) -> None:
    write(project)
    for number, path in enumerate(sorted(Path("plots/seeds").glob("*.csv"))):
        runs = pd.read_csv(path)
        runs.assign(seed=runs["seed"] + 10 * number).to_csv(path, index=False)
    found = sections()
    for anchor in ("reported", "shallow", "deep", "start"):
        assert found[anchor].startswith("Too few seeds to say (no seed in common)"), anchor
    assert "of the 8 lie where one more run of ours would" in found["reported"]
    check(sentences())


def test_what_other_experiments_left_is_not_read(project: Path) -> None:
    write(project, "a pair and its rival")
    before = sentences()
    for kind in ("seeds", "train"):
        Path(f"plots/{kind}/removed.csv").write_text("seed\n")
    assert sentences() == before


def test_classes_are_named_as_in_the_tables(project: Path) -> None:
    write(project)
    path = Path("plots/runs/best_two_cycles/confusion.csv")
    path.write_text(path.read_text().replace("airplane", "NA").replace("NA,NA,550", "NA,NA,551"))
    assert "It knows NA best" in sections()["final"]


@pytest.mark.parametrize(
    ("images", "difference"),
    [
        ({"sha256": [f"{0:064} batches.meta"]}, "not the original CIFAR-10"),
        ({"validation": 1000}, "divided in another way, 1,000 of them for validation"),
    ],
)
def test_other_images_are_not_compared(
    project: Path, images: dict[str, Any], difference: str
) -> None:
    write(project)
    change_settings("data", **images)
    assert difference in report(read()).warning
    for anchor in ("reported", "schedules"):
        assert sections()[anchor].startswith(f"Not answered: the images are {difference}")


def test_only_the_report_s_experiment_is_compared(project: Path) -> None:
    write(project, training=TRAINING | {"hidden": [64]})
    found = sections()
    assert "over 1 of the 8 numbers of networks that learn" in found["reported"]  # 9 layers
    text = markdown(report(read()))
    assert "not the report's experiment: hidden layers of 64 units" in text
    assert "## Does BN help the 2-layer network?" in text
    assert "## Does BN make the 9-layer network trainable?" in text


def test_more_than_bn_is_no_question_of_bn(project: Path) -> None:
    write(project)
    change_settings("experiments", three_layer_bn={"block": BN, "l2": 0.025}, mine={"l2": 0.025})
    write_run(project, "mine", [0.4, 0.5], (1, 2))
    assert "in more than BN: λ = 0.025." in sections()["shallow"]
    text = markdown(report(read()))
    row = next(line for line in text.splitlines() if line.startswith("| three_layer_bn "))
    assert "λ = 0.025" in row
    assert "over mine" in row


def test_the_settings_of_the_report_are_those_of_the_project() -> None:
    settings = params.read(ROOT / "params.yaml")
    assert TRAINING.items() <= settings["training"].items()
    optional = {n: f.default for n, f in Training.model_fields.items() if not f.is_required()}
    assert {key: value for key, value in optional.items() if key not in WATCHED} == OFF
    for row in reference.RUNS:
        assert row.unlike(settings["training"] | settings["experiments"][row.run]) == "", row.run
    assert reference.files(settings["data"]["sha256"]) == reference.files(IMAGES["sha256"])
