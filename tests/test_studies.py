"""The studies beside the report: from lines of YAML to networks, tables, answers and the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import klayer.settings
from conftest import ROOT, tiny_settings
from klayer import params
from klayer.errors import KlayerError
from klayer.files import write_table
from klayer.report.document import Table
from klayer.report.page import markdown
from klayer.report.studies.questions import ASKS, document, section
from klayer.report.studies.results import Study, collect, study_table
from klayer.settings import Random, Studies, Trial
from klayer.stages.study import networks_table, summary
from klayer.stages.study_settings import draws, label, labels, of_stages, trials
from klayer.training.trainer import Outcome

PLAIN = ["affine", "relu"]


def settings(**study: Any) -> dict[str, Any]:
    """studies/params.yaml with one study."""
    usual = {"question": "Is it so?", "ask": "gain", "variants": {"a": {}, "b": {"l2": 0.5}}}
    return {"training": tiny_settings()["training"], "studies": {"one": usual | study}}


def expanded(**study: Any) -> list[Trial]:
    """The networks of a study."""
    checked = params.check(Studies, settings(**study))
    return trials("studies.one", checked.studies["one"], checked.training)


def level_of(variant: dict[str, Any]) -> dict[str, Any]:
    """A study of one variant."""
    return {"ask": "level", "variants": {"a": variant}}


def shown(networks: list[Any]) -> list[tuple[str, str, int]]:
    return [(trial.variant, trial.value, *trial.training.seeds) for trial in networks]


def test_the_studies_of_the_project_are_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "studies")
    counts = {name: len(file.get("networks", ())) for name, file in of_stages().items()}
    assert counts["learning_rate"] == 6 * 2 * 8
    assert counts["search"] == 2 * 16 * 8


def test_every_variant_has_every_value_and_seed() -> None:
    across = {"half_cycle": [10, 20], "batch_size": [30, 60]}
    networks = expanded(across=across, training={"seeds": [3, 4]})
    expected = [(v, n, s) for v in ("a", "b") for n in ("10", "20") for s in (3, 4)]
    assert shown(networks) == expected
    assert networks[-1].training.batch_size == 60  # goes along
    assert networks[-1].training.l2 == 0.5


def test_a_grid_is_all_combinations() -> None:
    grid = {"l2": [0.1, 0.2], "learning_rate_max": [0.01, 0.02]}
    networks = expanded(**level_of({"grid": grid}), training={"seeds": [1]})
    assert [(t.training.l2, t.training.learning_rate_max) for t in networks] == [
        (0.1, 0.01),
        (0.1, 0.02),
        (0.2, 0.01),
        (0.2, 0.02),
    ]


def test_a_random_search_draws_for_each_seed() -> None:
    random = {"count": 3, "ranges": {"l2": [0.001, 0.1]}}
    networks = expanded(**level_of({"random": random}), training={"seeds": [1, 2]})
    seeds = {1: (1, 2, 3), 2: (4, 5, 6)}  # a value is of one seed alone
    assert shown(networks) == [("a", str(n), seed) for seed in seeds for n in seeds[seed]]
    assert len({trial.training.l2 for trial in networks}) == 6


@given(st.integers(0, 1000), st.floats(1e-6, 1e3), st.floats(1.01, 1e3))
def test_draws_lie_within_their_range(seed: int, low: float, times: float) -> None:
    random = Random(count=5, ranges={"sigma": (low, low * times)})
    assert all(0.99 * low <= d["sigma"] <= 1.01 * low * times for d in draws(random, seed))
    assert draws(random, seed) == draws(random, seed)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([50, 50], "50-50"),
        ([50] * 8, "9 layers"),
        ([50, 30, 30], "50-30-30"),
        (PLAIN, "affine relu"),
        (0.1, "0.1"),
        (3, "3"),
    ],
)
def test_values_are_shown_shortly(value: object, text: str) -> None:
    assert label(value) == text


TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([[50] * 4, [200] * 4], [f"4 {TIMES} 50", f"4 {TIMES} 200"]),
        ([[50] * 4, [50, 50, 20, 20]], [f"4 {TIMES} 50", "50-50-20-20"]),
        ([[50] * 8, [50] * 16], ["9 layers", "17 layers"]),
        ([0.1234567, 0.12345671], ["0.1234567", "0.12345671"]),
        ([[], [5]], ["none", "5"]),
        ([1, 1.0], ["1", "1"]),
    ],
)
def test_values_that_differ_are_shown_differently(values: list[Any], texts: list[str]) -> None:
    assert labels(values) == texts


def test_two_architectures_of_equal_depth_are_two_values() -> None:
    networks = expanded(across={"hidden": [[8] * 4, [9] * 4]})
    assert len({(trial.variant, trial.value) for trial in networks}) == 4


def test_a_variant_of_nothing_is_the_usual_training() -> None:
    networks = expanded(variants={"a": None, "b": {"l2": 0.5}})
    assert (networks[0].training.l2, networks[0].value, networks[0].varied) == (0.005, "", {})


GRID = {"grid": {"l2": [0.1, 0.2]}}
BEST_VALUE = {"ask": "best_value", "across": {"sigma": [0.1, 1.0]}}
RANDOM = {"random": {"count": 2, "ranges": {"l2": [0.1, 0.2]}}}


@pytest.mark.parametrize(
    ("study", "says"),
    [
        ({"ask": "why"}, "studies.one.ask is 'why': input should be 'gain', 'range'"),
        ({"asks": "gain"}, "studies.one.asks is not a known key: did you mean ask?"),
        ({"variants": {"a": {}}}, "variants: gain compares at least two (for one, ask: level)"),
        (
            {"variants": {2: {}, "b": {}}},
            "studies.one.variants.2 is 2: input should be a valid",
        ),
        ({"variants": {"a b": {}, "b": {"l2": 0.1}}}, "variants.a b is 'a b': string should mat"),
        ({"variants": {"a": {}, "b": None}}, "variants has a and b with the same settings"),
        ({"variants": {"a": {}, "b": {"seeds": [7]}}}, "variants.b: seeds is the same for all"),
        ({"variants": {"a": {"colour": 3}, "b": {}}}, "one.colour is not a known key"),
        ({"training": {"colour": 3}}, "studies.one.colour is not a known key"),
        (
            {"training": {"shift": 3}},
            "studies.one.shift is not a known key: did you mean augment_shift?",
        ),
        ({"training": {"seeds": 3}}, "studies.one.seeds is 3: input should be a valid tuple"),
        ({"across": {"l2": [0.1], "cycles": [1, 2]}}, "across: lists should be of equal"),
        ({"across": {"l2": [0.1]}}, "variants.b.l2 has no effect, as l2 varies"),
        ({"across": {"sigma": [-1.0]}}, "studies.one.sigma is -1.0: input should be greater"),
        ({"across": {"sigma": []}}, "studies.one.across.sigma is []: list should have at least 1"),
        ({"across": {"colour": [1]}}, "studies.one.colour is not a known key"),
        ({"across": {"views": [False]}}, "variants.a: views is the same for all"),
        ({"across": {"sigma": [0.1, 0.1]}}, "studies.one has the same value twice: remove one"),
        ({"across": {"hidden": [[8, 8], [8, 8]], "sigma": [0.1, 1.0]}}, "the same value twice"),
        ({"test": False}, "test: gain needs the test images (without them, ask: level)"),
        (
            {"ask": "range", "across": {"sigma": [0.1]}},
            "across: range compares at least two",
        ),
        (BEST_VALUE | {"across": {"flip": [False, True]}}, "best_value compares numbers above 0"),
        ({"ask": "statistics", "variants": {"a": {}}}, "training: statistics needs"),
        ({"ask": "statistics"}, "variants: statistics takes one alone"),
        ({"variants": {"a": {}, "b": GRID}}, "values of its own, which gain cannot compare"),
        (BEST_VALUE | {"variants": {"a": {}, "b": RANDOM}}, "which best_value cannot compare"),
        (level_of(GRID | {"l2": 0.1}), "variants.a.l2 has no effect, as l2 varies"),
        (level_of({"grid": {"l2": [0.1, 0.1]}}), "has the same value twice"),
        (
            level_of({"random": {"count": 2, "ranges": {"l2": [1, 0.1]}}}),
            "ranges.l2 should go",
        ),
        (level_of(RANDOM | GRID), "variants.a.grid is not for one with random"),
    ],
)
def test_a_mistake_is_named_with_its_place(study: dict[str, Any], says: str) -> None:
    with pytest.raises(KlayerError, match=r"^params\.yaml: ") as caught:
        expanded(**study)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def outcome(seed: int, validation: float, test: float) -> Outcome:
    measures = {"validation_accuracy": validation, "test_accuracy": test, "learnt": 1}
    return Outcome(row={"seed": seed, **measures})


def test_the_best_value_is_chosen_without_test_images() -> None:
    networks = expanded(across={"cycles": [1, 2]}, training={"seeds": [1, 2]})
    accuracies = [(0.5, 0.9), (0.4, 0.9), (0.6, 0.1), (0.4, 0.9), *[(0.3, 0.3)] * 4]
    table = networks_table(
        networks, [outcome(1 + i % 2, *both) for i, both in enumerate(accuracies)]
    )
    assert table["chosen"].tolist() == [0, 1, 1, 0, 1, 1, 0, 0]  # of equal ones the first
    assert list(table)[:5] == ["variant", "value", "cycles", "seed", "chosen"]
    found_summary = summary(table)
    assert found_summary["baseline"] == pytest.approx(0.5)
    assert found_summary["test_accuracy"] == pytest.approx(0.3)


def study(ask: str, accuracies: dict[tuple[str, str], list[float]], learnt: int = 1) -> Study:
    """Of a variant and a value the accuracies of seeds 1 to n, in validation and test alike."""
    rows = [
        {
            "variant": variant,
            "value": value,
            "learning_rate_max": float(value),
            "seed": seed,
            "learnt": learnt,
            "validation_accuracy": accuracy,
            "test_accuracy": accuracy,
        }
        for (variant, value), of_seeds in accuracies.items()
        for seed, accuracy in enumerate(of_seeds, 1)
    ]
    table = pd.DataFrame(rows)
    best = table.groupby(["variant", "seed"], sort=False)["validation_accuracy"].idxmax()
    table.insert(4, "chosen", table.index.isin(best).astype(int))
    return Study("one", "Is it so?", ask, table)


def asked(ask: str, variants: int, values: int, seeds: int, accuracy: float | None) -> Study:
    """Of a table that may hold nothing to judge; equal numbers where an accuracy is given."""
    generator = np.random.default_rng(1)
    found = {
        (variant, value): [
            generator.uniform(0.3, 0.5) if accuracy is None else accuracy for _ in range(seeds)
        ]
        for variant in "abc"[:variants]
        for value in ("0.1", "1")[:values]
    }
    about = study(ask, found, learnt=int(accuracy is None))
    measures = {f"{kind}_accuracy{s}": 0.1 for kind in ("test", "noise") for s in ("", "_own")}
    if ask == "statistics":
        about = replace(about, networks=about.networks.assign(**measures))
    return about


@pytest.mark.parametrize("accuracy", [None, 0.1])
@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize(("variants", "values"), [(1, 1), (1, 2), (2, 1), (3, 2)])
@pytest.mark.parametrize("ask", ASKS)
def test_nothing_is_judged_where_nothing_is_there_to_judge(
    ask: str, variants: int, values: int, seeds: int, accuracy: float | None
) -> None:
    found = section(asked(ask, variants, values, seeds, accuracy))
    tables = [block for block in found.details if isinstance(block, Table)]
    text = " ".join(
        [found.answer, found.numbers, *(" ".join(row) for table in tables for row in table.rows)]
    )
    assert not re.search(r"nan|None|inf|: ?[.;,]|\(\)", text)
    assert found.answer
    if seeds == 1 or accuracy is not None or ask == "statistics":
        assert not re.search(r"clear|uncertain|better|worse|matters|no difference", text.lower())
    if ask in ("gain", "best_gain") and variants > 1 and seeds == 1:
        assert found.answer.startswith("Too few seeds to say")


@pytest.mark.parametrize(("learnt", "other"), [(0, 0.2), (1, 0.1)])
def test_a_value_is_not_best_where_no_network_learns_or_all_are_equal(
    learnt: int, other: float
) -> None:
    accuracies = {(v, value): [a] * 3 for v in "ab" for value, a in (("0.1", 0.1), ("1", other))}
    found = section(study("best_value", accuracies, learnt))
    assert found.answer.startswith("The best learning rate is not known: no seed in common")
    assert "3 seeds (a), 3 seeds (b)" in found.numbers
    assert ("up to" in found.answer) == bool(learnt)


def test_one_seed_is_a_number_without_a_verdict() -> None:
    found = section(study("gain", {("a", "0.1"): [0.3], ("b", "0.1"): [0.35]}))
    assert (found.answer, found.certainty) == (
        "Too few seeds to say: +5.00 points",
        "too few seeds",
    )


def test_no_seed_in_common_is_said() -> None:
    about = study("gain", HALF)
    table = about.networks.assign(seed=range(len(about.networks)))
    found = section(replace(about, networks=table))
    assert "Too few seeds to say: no seed in common" in found.answer


@pytest.mark.parametrize("name", ["None", "NA", "nan", "2", "3", "1e400"])
def test_text_comes_back_as_it_is(name: str, tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    sha = "0" * 63 + "1"
    row = {"variant": name, "value": "1.0", "l2": "NA", "seed": 1, "test_accuracy": 0.25}
    write_table(path, pd.DataFrame([row | {"parameters_sha256": sha}]))
    (read,) = study_table(path, "variant").to_dict("records")
    assert read == row | {"parameters_sha256": sha}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("variant,value,seed\n", "cut short"),
        ("variant,value,seed\na,1,1", "cut short"),
        ("variant,value,seed\na,1,\n", "cut short"),
        ("variant,value\na,1\n", "cannot be read"),
        ("variant,value,seed,learnt\na,1,1,1\na,1,1,0\n", "has been damaged"),
        ("variant,value,seed,learnt\na,1,1,inf\n", "has been damaged"),
        ("variant,value,seed\na,1,1\n", "has no learnt"),
        (None, "one.csv is missing: run `dvc repro`"),
    ],
)
def test_a_table_that_does_not_serve_is_told(
    text: str | None, message: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "one.csv").write_text(text)
    with pytest.raises(KlayerError, match=message):
        study_table(tmp_path / "one.csv", "learnt")


SPREAD = np.array([-0.001, 0.0, 0.001, 0.0, -0.001, 0.001])


def level(mean: float, turn: int = 0) -> list[float]:
    """Around a mean; the same turn for two gives a difference without a spread."""
    return list(mean + np.roll(SPREAD, turn))


HALF = {
    ("a", "0.1"): level(0.3),
    ("a", "1"): level(0.2, 1),
    ("b", "0.1"): level(0.32, 2),
    ("b", "1"): level(0.42, 4),
}


@pytest.mark.parametrize(
    ("ask", "last", "answer"),
    [
        (
            "gain",
            0.42,
            "Better: +2.00 points at learning rate 0.1, +22.00 points at learning rate 1",
        ),
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
    about = study(ask, HALF | {("b", "1"): level(last, 4)})
    assert section(about).answer.startswith(answer)
    turned = replace(
        about, networks=about.networks.groupby("variant").sample(frac=1, random_state=1)
    )
    assert section(turned).certainty == section(about).certainty


def test_statistics_are_compared_by_seed() -> None:
    table = study("statistics", {("bn", "10"): level(0.4), ("bn", "100"): level(0.5)}).networks
    table = table.assign(
        test_accuracy_own=table["test_accuracy"],
        noise_accuracy=table["test_accuracy"] - 0.1,
        noise_accuracy_own=[*level(0.35, 1), *level(0.45, 2)],
    )
    found = section(Study("one", "Which?", "statistics", table))
    assert found.answer == (
        "Better: +5.00 points on corrupted images; "
        "not judged, as nothing scatters: +0.00 points on test images"
    )


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
    studies, synthetic = collect(params.read())
    assert not synthetic
    assert markdown(document(studies, synthetic)) == Path("reports/report.md").read_text()
    for study in studies:
        metrics = json.loads(Path(f"metrics/{study.name}.json").read_text())
        assert metrics == pytest.approx(summary(study.networks)), study.name


@pytest.mark.parametrize("cells", [{"variant": "sgd"}, {"seed": "17"}, {"chosen": "0"}])
def test_a_table_without_all_networks_is_named(
    cells: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("plots/seeds/optimizer.csv")
    table = pd.read_csv(ROOT / "studies" / path, dtype=str, keep_default_na=False)
    (tmp_path / path).parent.mkdir(parents=True)
    table.assign(**cells, value=range(len(table))).to_csv(tmp_path / path, index=False)
    study = params.read(ROOT / "studies/params.yaml")["studies"]["optimizer"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KlayerError, match="lacks networks: run `dvc repro` again"):
        collect({"studies": {"optimizer": study}})
