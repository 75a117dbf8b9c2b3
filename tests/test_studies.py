"""The studies beside the report: from lines of YAML to networks, tables, answers and the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from conftest import ROOT, tiny_settings, write_params
from klayer import params
from klayer.errors import KlayerError
from klayer.report.page import markdown
from klayer.report.studies.contents import document
from klayer.report.studies.questions import ASKS
from klayer.report.studies.results import Study, collect
from klayer.stages.study import networks_table, summary
from klayer.study.settings import check_studies
from klayer.study.studies import Random, draws, label, study_names, trials
from klayer.training.job import Outcome

PLAIN = ["affine", "relu"]


def settings(**study: Any) -> dict[str, Any]:
    """studies/params.yaml with one study."""
    about = {"question": "Is it so?", "ask": "gain", "variants": {"a": {}, "b": {"l2": 0.5}}}
    return {"training": tiny_settings()["training"], "studies": {"one": about | study}}


def shown(found: list[Any]) -> list[tuple[str, str, int]]:
    return [(trial.variant, trial.value, *trial.training.seeds) for trial in found]


def test_the_studies_of_the_project_are_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "studies")
    check_studies()
    sections = params.read()
    counts = {name: len(trials(sections, name)) for name in study_names(sections)}
    assert counts["learning_rate"] == 6 * 2 * 8
    assert counts["search"] == 2 * 16 * 8


def test_every_variant_has_every_value_and_seed() -> None:
    across = {"half_cycle": [10, 20], "batch_size": [30, 60]}
    found = trials(settings(across=across, training={"seeds": [3, 4]}), "one")
    expected = [(v, n, s) for v in ("a", "b") for n in ("10", "20") for s in (3, 4)]
    assert shown(found) == expected
    assert found[-1].training.batch_size == 60  # goes along
    assert found[-1].training.l2 == found[-1].job.l2[0] == 0.5


def test_a_grid_is_all_combinations() -> None:
    grid = {"l2": [0.1, 0.2], "learning_rate_max": [0.01, 0.02]}
    found = trials(settings(variants={"a": {"grid": grid}}, training={"seeds": [1]}), "one")
    assert [(t.training.l2, t.training.learning_rate_max) for t in found] == [
        (0.1, 0.01),
        (0.1, 0.02),
        (0.2, 0.01),
        (0.2, 0.02),
    ]


def test_a_random_search_draws_for_each_seed() -> None:
    random = {"count": 3, "ranges": {"l2": [0.001, 0.1]}}
    found = trials(settings(variants={"a": {"random": random}}, training={"seeds": [1, 2]}), "one")
    assert shown(found) == [("a", str(n), seed) for seed in (1, 2) for n in (1, 2, 3)]
    assert len({trial.training.l2 for trial in found}) == 6


@given(st.integers(0, 1000), st.floats(1e-6, 1e3), st.floats(1, 1e3))
def test_draws_lie_within_their_range(seed: int, low: float, times: float) -> None:
    random = Random(count=5, ranges={"x": (low, low * times)})
    assert all(0.99 * low <= d["x"] <= 1.01 * low * times for d in draws(random, seed))
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


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"ask": "why"}, "studies.one.ask is 'why'"),
        ({"variants": {}}, "studies.one.variants"),
        ({"across": {"l2": [0.1], "cycles": [1, 2]}}, "lists of equal length"),
        ({"across": {"l2": [-1.0]}}, "studies.one.l2 is -1.0"),
        ({"variants": {"a": {"colour": 3}}}, "studies.one.colour is not a known key"),
        ({"variants": {"a b": {}}}, "variants has the name 'a b'"),
        (
            {"variants": {"a": {"random": {"count": 2, "ranges": {"l2": [1, 0.1]}}}}},
            "random.ranges",
        ),
        ({"variants": {"a": {"grid": {"l2": 3}}}}, "grid"),
        ({"training": {"half_cycle": 10**18}}, "studies.one has 2 * half_cycle * cycles = 20000"),
        ({"asks": "gain"}, "studies.one.asks is not a known key"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    study: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_params(settings(**study))
    with pytest.raises(KlayerError, match=r"params\.yaml: ") as caught:
        check_studies()
    assert message in str(caught.value)


def outcome(validation: float, test: float) -> Outcome:
    measures = {"validation_accuracy": validation, "test_accuracy": test, "train_loss": 1.0}
    final = {name: np.array([value]) for name, value in measures.items()}
    one = {"W1": np.full((1, 2, 2), test, np.float32)}
    return Outcome(final=final | {"diverged_at": np.array([-1])}, parameters=one)


def test_the_best_value_is_chosen_without_test_images() -> None:
    found = trials(settings(across={"cycles": [1, 2]}, training={"seeds": [1, 2]}), "one")
    accuracies = [(0.5, 0.9), (0.4, 0.9), (0.6, 0.1), (0.4, 0.9), *[(0.3, 0.3)] * 4]
    table = networks_table(found, [outcome(*both) for both in accuracies])
    assert table["chosen"].tolist() == [0, 1, 1, 0, 1, 1, 0, 0]  # of equal ones the first
    assert list(table)[:5] == ["variant", "value", "cycles", "seed", "chosen"]
    found_summary = summary(table)
    assert found_summary["baseline"] == pytest.approx(0.5)
    assert found_summary["test_accuracy"] == pytest.approx(0.3)
    assert found_summary["failed"] == 0


def study(ask: str, accuracies: dict[tuple[str, str], list[float]]) -> Study:
    """Of a variant and a value the accuracies of seeds 1 to n, in validation and test alike."""
    rows = [
        {
            "variant": variant,
            "value": value,
            "learning_rate_max": float(value),
            "seed": seed,
            "learnt": 1,
            "validation_accuracy": accuracy,
            "test_accuracy": accuracy,
        }
        for (variant, value), of_seeds in accuracies.items()
        for seed, accuracy in enumerate(of_seeds, 1)
    ]
    table = pd.DataFrame(rows)
    best = table.groupby(["variant", "seed"], sort=False)["validation_accuracy"].idxmax()
    table.insert(4, "chosen", table.index.isin(best).astype(int))
    return Study("one", "Is it so?", ask, table, pd.DataFrame())


SPREAD = np.array([-0.001, 0.0, 0.001, 0.0, -0.001, 0.001])


def level(mean: float) -> list[float]:
    """Scattered in an order of its own: differences that do not scatter are not judged."""
    return list(mean + np.random.default_rng(round(100 * mean)).permutation(SPREAD))


HALF = {
    ("a", "0.1"): level(0.3),
    ("a", "1"): level(0.2),
    ("b", "0.1"): level(0.32),
    ("b", "1"): level(0.42),
}


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        ("gain", "Against a: at 0.1, b helps, +2.00 points, shown (100 %); at 1, b helps, +22.00"),
        ("range", "For b the learning rate matters as much"),
        ("best_value", "for b not judged, no scatter over the seeds, 10 times a's"),
        ("best_gain", "b helps, +12.00 points, shown (100 %)"),
        ("level", "a: test accuracy 0.3000 ± 0.0009"),
    ],
)
def test_an_answer_follows_from_the_table(ask: str, answer: str) -> None:
    section = ASKS[ask](study(ask, HALF))
    assert answer in section.answer
    assert section.title == "Is it so?"


def test_the_order_of_the_networks_does_not_matter() -> None:
    about = study("range", HALF)
    turned = Study("one", "Is it so?", "range", about.networks[::-1], pd.DataFrame())
    first = ASKS["range"](about).answer
    assert "range over 10.00 points for a, over 10.00 points for b" in first
    assert "points for b, over 10.00 points for a" in ASKS["range"](turned).answer


def test_a_wider_range_matters_more() -> None:
    wide = HALF | {("b", "1"): level(0.62)}
    assert "For b the learning rate matters more, 20.00 points, shown (100 %)" in (
        ASKS["range"](study("range", wide)).answer
    )


def test_statistics_are_compared_by_seed() -> None:
    table = study("statistics", {("bn", "10"): level(0.4), ("bn", "100"): level(0.5)}).networks
    table = table.assign(
        test_accuracy_own=table["test_accuracy"] + np.resize([0.001, -0.001, 0, 0, 0, 0], 12),
        noise_accuracy=0.9 * table["test_accuracy"] - 0.05,
        noise_accuracy_own=table["test_accuracy"] - 0.05,
    )
    section = ASKS["statistics"](Study("one", "Which?", "statistics", table, pd.DataFrame()))
    assert "make no difference on test images as they are (+0.00 points" in section.answer
    assert "gain on shifted ones (+4.50 points, shown (100 %))" in section.answer


def test_every_ask_of_the_settings_has_a_section() -> None:
    schema = YAML(typ="safe").load((ROOT / "studies/params.schema.json").read_text())
    named = schema["properties"]["studies"]["patternProperties"]
    (study_schema,) = named.values()
    assert study_schema["properties"]["ask"]["enum"] == list(ASKS)


def test_the_committed_answers_follow_from_the_committed_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT / "studies")
    studies, synthetic = collect()
    assert not synthetic
    assert markdown(document(studies, synthetic)) == Path("reports/report.md").read_text()
    for study in studies:
        metrics = json.loads(Path(f"metrics/{study.name}.json").read_text())
        assert metrics == pytest.approx(summary(study.networks)), study.name
