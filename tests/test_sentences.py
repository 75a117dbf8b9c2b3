"""No sentence has a missing number: every question over results of every size."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import evidence_files as evidence
from conftest import ROOT
from evidence_files import ACCURACIES, ALL, BN, TRAINING, read
from klayer import params
from klayer.report import reference, words
from klayer.report.contents import report
from klayer.report.page import markdown
from klayer.settings import Training
from klayer.stages import report as stage

EXPERIMENTS_LEFT: dict[str, dict[str, Any]] = {
    "all": ALL,
    "one": {"nine_layer": ALL["nine_layer"]},
    "two": {name: ALL[name] for name in ("three_layer", "three_layer_bn", "nine_layer_he")},
    "own": {"mine": {"hidden": [], "block": BN}, "sigma_1e-1_bn": ALL["sigma_1e-1_bn"]},
}
NOUNS = "seed|value|network|run|number|point|layer|verdict|pair|class|question|schedule|time"
WRONG = {
    "no number": r"\b(nan|inf|null|(?<!than )none)\b(?! agrees)",
    "one of many": rf"(?<![\d.,])1 ({NOUNS})(s|es)\b",
    "one of one": r"\b0 of 0\b",
    "nothing listed": r"[:;,(]\s*[.;)]|\(\)|\[\]|: *$| ,|,,|\.\.",
    "none may be the best": r"\b0 of \d+ values",
    "unfilled": r"[{}]",
    "no caption": r"\n\*\*\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(
    experiments: Mapping[str, Any] = ALL,
    seeds: tuple[int, ...] = (1, 2),
    values: tuple[int, int] = (12, 50),
    luck: float = 1.0,
    **more: Any,
) -> None:
    """`values` are those of the fine and the coarse search; without luck, all numbers are equal."""
    accuracies = ACCURACIES if luck else dict.fromkeys(ACCURACIES, 0.5)
    evidence.write_evidence(Path(), experiments, seeds, accuracies=accuracies, luck=luck, **more)
    noise, (fine, coarse) = 0.002 * luck, values
    evidence.write_search(Path(), 0, 10 * noise, seeds, noise=noise, count=fine, coarse=coarse)


def check_sentences() -> None:
    """All sentences and cells, without the captions' colons before tables, links and rules."""
    text = re.sub(r":(?=\n\n\|)", "", markdown(report(read())))
    links_and_rules = r"!?\[[^]]*\]\([^)]*\)|<[^>]*>|\|[ |]*\||^\|[ -|]*\|$"
    text = re.sub(links_and_rules, "", text, flags=re.MULTILINE).split("\n## Words")[0]
    for kind, pattern in WRONG.items():
        match = re.search(pattern, text, re.IGNORECASE)
        assert not match, f"{kind}: {text[max(match.start() - 150, 0) : match.end() + 50]}"


def sections() -> dict[str, str]:
    """The answer and the numbers of each question."""
    return {s.anchor: f"{s.answer} {s.numbers}" for s in report(read()).sections}


def change_settings(section: str, **changes: Any) -> None:
    settings = json.loads(Path("params.yaml").read_text())
    settings[section] |= changes
    Path("params.yaml").write_text(json.dumps(settings))


@pytest.mark.parametrize("left", EXPERIMENTS_LEFT)
@pytest.mark.parametrize(
    "size",
    [
        {"seeds": (7,), "values": (1, 1)},
        {"seeds": (7, 8)},
        {"seeds": (7, 8), "values": (2, 2), "luck": 0.0},
        {"seeds": (1, 2, 3), "values": (2, 2)},
    ],
)
def test_every_sentence_has_its_numbers(project: Path, left: str, size: dict[str, Any]) -> None:
    write(EXPERIMENTS_LEFT[left], **size)
    check_sentences()
    if len(size["seeds"]) == 1 or "luck" in size:
        certainties = {section.certainty for section in report(read()).sections}
        assert certainties <= {"", "too few seeds", "not judged"}


@pytest.mark.parametrize(
    "changes",
    [
        {"luck": 0.0, "training": TRAINING | {"schedule": "constant", "hidden": []}},
        {"seeds": (7,), "schedules": {"ns_1350": {"half_cycle": 9, "schedule": "step"}}},
    ],
)
def test_it_can_all_be_drawn(project: Path, changes: dict[str, Any]) -> None:
    write(values=(1, 1), **changes)
    check_sentences()
    stage.run()


def test_runs_without_a_common_seed_are_not_compared(project: Path) -> None:
    write()
    for number, path in enumerate(sorted(Path("plots/seeds").glob("*.csv"))):
        runs = pd.read_csv(path)
        runs.assign(seed=runs["seed"] + 10 * number).to_csv(path, index=False)
    answers = sections()
    for anchor in ("reported", "shallow", "deep", "start"):
        assert answers[anchor].startswith("Too few seeds to say (no seed in common)"), anchor
    assert "of the 8 lie within the 95 % range of one more run of ours" in answers["reported"]
    check_sentences()


def test_classes_are_named_as_in_the_tables(project: Path) -> None:
    write()
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
    write()
    change_settings("data", **images)
    assert difference in report(read()).warning
    for anchor in ("reported", "schedules"):
        assert sections()[anchor].startswith(f"Not answered: the images are {difference}")


def test_only_the_report_s_experiment_is_compared(project: Path) -> None:
    write(training=TRAINING | {"hidden": [64]})
    text = markdown(report(read()))
    assert "over 1 of the 8 numbers of networks that learn" in text  # 9 layers
    assert "not the report's experiment: hidden layers of 64 units" in text
    assert "## Does BN help the 2-layer network?" in text
    assert "## Does BN make the 9-layer network trainable?" in text


def test_more_than_bn_is_no_question_of_bn(project: Path) -> None:
    write()
    change_settings("experiments", three_layer_bn={"block": BN, "l2": 0.025}, mine={"l2": 0.025})
    evidence.write_run(project, "mine", [0.4, 0.5], (1, 2))
    text = markdown(report(read()))
    assert "in more than BN: λ = 0.025." in text
    assert re.search(r"^\| three_layer_bn .*λ = 0.025.* over mine", text, re.MULTILINE)


def test_the_settings_of_the_report_are_those_of_the_project() -> None:
    settings = params.read(ROOT / "params.yaml")
    assert TRAINING.items() <= settings["training"].items()
    optional = {n: f.default for n, f in Training.model_fields.items() if not f.is_required()}
    assert {key: value for key, value in optional.items() if key not in words.WATCHED} == words.OFF
    for row in reference.RUNS:
        assert row.unlike(settings["training"] | settings["experiments"][row.run]) == "", row.run
    assert reference.digests(settings["data"]["sha256"]) == reference.digests(
        evidence.IMAGES["sha256"]
    )
