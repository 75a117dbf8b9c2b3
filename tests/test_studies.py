"""The studies beside the report: from the outcomes of networks to tables, answers and the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Sheet

import klayer.settings
from conftest import ROOT, tiny_training
from klayer import params
from klayer.errors import KlayerError
from klayer.files import write_table
from klayer.report.page import Figure, Table, markdown
from klayer.report.study_questions import ASKS, page_of_studies, section
from klayer.report.study_results import Study, read_study
from klayer.settings import Trial
from klayer.stages.study import curves_table, networks_table, summary
from klayer.training.evaluation import MEASURES
from klayer.training.trainer import Outcome, Row

SPREAD = np.array([-0.001, 0.0, 0.001, 0.0, -0.001, 0.001])
Accuracies = dict[tuple[str, str], list[float]]


def study(ask: str, accuracies: Accuracies, learnt: int = 1) -> Study:
    """Of a variant and a value the accuracies of seeds 1 to n, in validation and test alike."""
    rows = [
        (variant, value, value, seed, 0, accuracy, accuracy, learnt)
        for (variant, value), by_seed in accuracies.items()
        for seed, accuracy in enumerate(by_seed, 1)
    ]
    columns = "variant value learning_rate_max seed chosen validation_accuracy test_accuracy learnt"
    table = pd.DataFrame(rows, columns=columns.split())
    best = table.groupby(["variant", "seed"])["validation_accuracy"].idxmax()
    table.loc[best, "chosen"] = 1
    return Study("one", "Is it so?", ask, table)


def level(mean: float, turn: int = 0) -> list[float]:
    """Around a mean; the same turn for two gives a difference without a spread."""
    return list(mean + np.roll(SPREAD, turn))


A = {("a", "0.1"): level(0.3), ("a", "1"): level(0.2, 1)}
HALF = A | {("b", "0.1"): level(0.32, 2), ("b", "1"): level(0.42, 4)}


def trained(accuracies: list[tuple[float, float]]) -> tuple[list[Trial], list[Outcome]]:
    """Variants a and b, values 1 and 2, seeds 1 and 2; accuracies in validation and in test."""
    trials, outcomes = [], []
    names = product("ab", "12", (1, 2))
    for (variant, value, seed), (validation, test) in zip(names, accuracies, strict=True):
        training, varied = tiny_training(seeds=[seed]), {"cycles": value}
        trials.append(Trial(variant=variant, value=value, varied=varied, training=training))
        row: Row = {"seed": seed, "validation_accuracy": validation, "test_accuracy": test}
        curves = [
            f"{part}_{measure}" for part, measure in product(("train", "validation"), MEASURES)
        ]
        point = {name: np.array([validation]) for name in ("step", "learning_rate", *curves)}
        outcomes.append(Outcome(row=row, curves=point))
    return trials, outcomes


def test_the_best_value_is_chosen_without_test_images() -> None:
    accuracies = [(0.5, 0.9), (0.4, 0.9), (0.6, 0.1), (0.4, 0.9), *[(0.3, 0.3)] * 4]
    table = networks_table(*trained(accuracies))
    assert table["chosen"].tolist() == [0, 1, 1, 0, 1, 1, 0, 0]  # of equal ones the first
    assert list(table)[:5] == ["variant", "value", "cycles", "seed", "chosen"]
    numbers = summary(table)
    assert numbers["baseline"] == pytest.approx(0.5)
    assert numbers["test_accuracy"] == pytest.approx(0.3)
    untested = summary(table.drop(columns="test_accuracy"))
    assert untested == {"validation_accuracy": pytest.approx(0.3)}


def test_curves_are_means_over_the_seeds_of_each_value() -> None:
    table = curves_table(*trained([(i / 8, 0.0) for i in range(8)]))
    rows = table[["variant", "value", "validation_accuracy"]].to_numpy().tolist()
    assert rows == [["a", "1", 1 / 16], ["a", "2", 5 / 16], ["b", "1", 9 / 16], ["b", "2", 13 / 16]]
    assert list(table)[:2] == ["variant", "value"]


@pytest.mark.parametrize(
    ("ask", "last", "answer"),
    [
        ("gain", 0.42, "Better: +2.00 points at learning rate 0.1, +22.00 points at learning rate"),
        ("range", 0.42, "The learning rate matters as much: the test accuracy ranges over 10.00"),
        ("range", 0.62, "The learning rate matters more: the test accuracy ranges over 10.00"),
        (
            "best_value",
            0.42,
            "The best learning rate is 10 times as large in each of 6 seeds, but networks stay "
            "within 5 points of their best up to 0.1 (a) and up to 1 (b)",
        ),
        ("best_gain", 0.42, "Better: +12.00 points"),
        ("level", 0.42, "a: 30.00 ± 0.09 % in test; b: 42.00 ± 0.09 % in test"),
    ],
)
def test_an_answer_follows_from_the_table(ask: str, last: float, answer: str) -> None:
    result = study(ask, HALF | {("b", "1"): level(last, 4)})
    assert section(result).answer.startswith(answer)
    shuffled = result.networks.groupby("variant").sample(frac=1, random_state=1)
    assert section(replace(result, networks=shuffled)).certainty == section(result).certainty


def test_statistics_are_compared_by_seed() -> None:
    table = study("statistics", {("bn", "10"): level(0.4), ("bn", "100"): level(0.5)}).networks
    table = table.assign(
        test_accuracy_own=table["test_accuracy"],
        noise_accuracy=table["test_accuracy"] - 0.1,
        noise_accuracy_own=[*level(0.35, 1), *level(0.45, 2)],
    )
    assert section(Study("one", "Which?", "statistics", table)).answer == (
        "Better: +5.00 points on corrupted images; "
        "not judged, as nothing scatters: +0.00 points on test images"
    )


@pytest.mark.parametrize("accuracy", [None, 0.1])
@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("variants", [2, 3])
@pytest.mark.parametrize("ask", ASKS)
def test_nothing_is_judged_of_one_seed_or_without_scatter(
    ask: str, variants: int, seeds: int, accuracy: float | None
) -> None:
    draw = np.random.default_rng(1).uniform
    result = study(
        ask,
        {
            (variant, value): [draw(0.3, 0.5) if accuracy is None else accuracy] * seeds
            for variant in "abc"[: 1 if ask == "statistics" else variants]
            for value in ("0.1", "1")
        },
        learnt=int(accuracy is None),
    )
    if ask == "statistics":
        measures = {f"{kind}_accuracy{s}": 0.1 for kind in ("test", "noise") for s in ("", "_own")}
        result = replace(result, networks=result.networks.assign(**measures))
    answered = section(result)
    tables = [block for block in answered.details if isinstance(block, Table)]
    cells = (" ".join(row) for table in tables for row in table.rows)
    text = " ".join([answered.answer, answered.numbers, *cells])
    assert not re.search(r"nan|None|inf|: ?[.;,]|\(\)", text)
    assert not re.search(
        r"clear|uncertain|better|worse|matters|no difference", answered.answer.lower()
    )
    if ask in ("gain", "best_gain") and seeds == 1:
        assert answered.answer.startswith("Too few seeds to say")


@pytest.mark.parametrize(("learnt", "other"), [(0, 0.2), (1, 0.1)])
def test_a_value_is_not_best_where_no_network_learns_or_all_are_equal(
    learnt: int, other: float
) -> None:
    accuracies = {(v, value): [a] * 3 for v in "ab" for value, a in (("0.1", 0.1), ("1", other))}
    result = section(study("best_value", accuracies, learnt))
    assert result.answer.startswith("The best learning rate is not known: no seed in common")
    assert "3 seeds (a), 3 seeds (b)" in result.numbers
    assert ("up to" in result.answer) == bool(learnt)


@pytest.mark.parametrize(("values", "scale"), [(["0.1", "1"], "log"), (["0", "1"], "linear")])
def test_a_chart_shows_every_value(values: list[str], scale: str) -> None:
    (figure,) = section(study("gain", {(v, x): [0.4, 0.5] for v in "ab" for x in values})).blocks
    assert isinstance(figure, Figure)
    axes = Sheet().subplots()
    figure.panels[0].draw(axes)
    assert axes.get_xscale() == scale
    assert [label.get_text() for label in axes.get_xticklabels()] == values


@pytest.mark.parametrize(
    ("name", "variants", "words"),
    [
        ("no_bn", ["all", "no_bn"], "without BN"),
        ("bn_skips", ["plain", "skips", "bn", "bn_skips"], "BN and skips"),
        ("same_order", ["reshuffled", "same_order"], "same order"),
    ],
)
def test_a_variant_is_named_in_words(name: str, variants: list[str], words: str) -> None:
    assert study("gain", {(v, "1"): [0.1] for v in variants}).label(name) == words


def test_every_ask_of_the_settings_has_a_section() -> None:
    assert get_args(klayer.settings.Study.model_fields["ask"].annotation) == tuple(ASKS)


def test_the_committed_answers_follow_from_the_committed_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT / "studies")
    sections = params.read()
    assert markdown(page_of_studies(sections)) == Path("reports/report.md").read_text()
    for name, asked in sections["studies"].items():
        metrics = json.loads(Path(f"metrics/{name}.json").read_text())
        assert metrics == pytest.approx(summary(read_study(name, asked).networks)), name


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the table of a study lies, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    Path("plots/seeds").mkdir(parents=True)
    return Path("plots/seeds/one.csv")


ASKED: dict[str, Any] = {"question": "Is it so?", "ask": "gain", "variants": {"a": None, "b": None}}


@pytest.mark.parametrize("name", ["None", "NA", "nan", "2", "1e400"])
def test_text_comes_back_as_it_is(table: Path, name: str) -> None:
    networks = study("level", {(name, "1.0"): [0.25]}).networks
    networks = networks.assign(learning_rate_max="NA", parameters_sha256="0" * 63 + "1")
    write_table(table, networks)
    result = read_study("one", ASKED | {"ask": "level", "variants": {name: {}}})
    assert result.networks.to_dict("records") == networks.to_dict("records")


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda text: text[:-1], "cut short or damaged"),
        (lambda text: text.replace("learnt", "learned"), "has no learnt"),
        (lambda text: text.replace("seed", "number"), "cannot be read"),
    ],
)
def test_a_table_that_is_damaged_is_named(table: Path, cut: Any, message: str) -> None:
    """tests/test_report.py has the other faults, as `parse_table` reads all tables."""
    write_table(table, study("gain", HALF).networks)
    table.write_text(cut(table.read_text()))
    with pytest.raises(KlayerError, match=rf"one.csv .*{message}.*: run `dvc repro` again"):
        read_study("one", ASKED | {"across": {"learning_rate_max": [0.1, 1.0]}})


@pytest.mark.parametrize("name", ["learning_rate", "optimizer", "search"])
@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop(index=table.index[table["chosen"] == "0"][0]),
        lambda table: table[table["variant"] != table["variant"][0]],
        lambda table: table.assign(chosen="0"),
        lambda table: pd.concat([table[1:], table[-1:]]),
        lambda table: table.assign(value="1"),
    ],
    ids=["a row less", "a variant less", "none chosen", "a seed for another", "all at one value"],
)
def test_a_table_without_all_networks_is_named(table: Path, name: str, change: Any) -> None:
    committed = pd.read_csv(ROOT / f"studies/plots/seeds/{name}.csv", dtype=str)
    asked = params.read(ROOT / "studies/params.yaml")["studies"][name]
    change(committed).to_csv(table, index=False)
    with pytest.raises(
        KlayerError, match="lacks networks, or has one twice: run `dvc repro` again"
    ):
        read_study("one", asked)
