"""The benchmark: all train the same networks, and its table says what was measured."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from benchmarks import classifier, output
from benchmarks.case import SIZE, Case
from benchmarks.contest import EVALUATION, KLAYER, LIMIT, MANY, ONE, Result, contest, contestants
from benchmarks.ours import Klayer
from benchmarks.team import Contestant, Team
from conftest import BATCH_NORM, COUNTS, ROOT, write_processed
from klayer.training.trainer import learning_rate

STEPS = 8
PAGE = (ROOT / "docs/performance.md").read_text()
TOLERANCE = 1e-3  # of a loss, in float32
SETTINGS = YAML(typ="safe").load(ROOT / "params.yaml")["training"]
SMALL = {"hidden": [8, 6], "block": BATCH_NORM, "batch_size": 50, "half_cycle": 3, "l2": 0.02}
PLAIN = {"hidden": [7, 6, 5], "block": ["affine", "relu"]}
STUDY = Case("study", SETTINGS | {"block": BATCH_NORM}, "")
PEERS = {
    f"{c.name}, {c.arguments}": c
    for question in (ONE, MANY)
    for c in contestants(question, STUDY)
    if not c.trainer.startswith("ours.")
}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """With batch norm, short cycles and a strong L2; an epoch is 6 mini-batches."""
    write_processed(tmp_path)
    return Case("small", SETTINGS | SMALL, str(tmp_path))


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_all_train_the_same_networks_as_klayer(
    peer: Contestant, batch_norm: bool, case: Case
) -> None:
    """From the same initial weights, with the same mini-batches, learning rates and L2."""
    pytest.importorskip("torch" if peer.trainer.startswith("pytorch.") else "jax")
    if peer.arguments.get("compiled") and not batch_norm:
        pytest.skip("once is enough of what takes 20 seconds")
    case = case if batch_norm else replace(case, settings=case.settings | PLAIN)
    ours = [Klayer(case, network) for network in range(peer.arguments.get("networks", 1))]
    expected = [np.mean([each.train(STEPS) for each in ours]) for _ in range(2)]
    team = Team(replace(peer, processes=1), case)
    team.steps = STEPS
    found = [team.train(), team.train()]
    team.end()
    np.testing.assert_allclose(np.ravel(found), expected, rtol=0, atol=TOLERANCE)
    assert abs(expected[1] - expected[0]) > 10 * TOLERANCE  # else the losses tell nothing


def test_klayer_takes_the_mini_batches_and_rates_of_the_others(case: Case) -> None:
    ours, batches = Klayer(case), case.batches()
    for step in range(7):
        rows, at = next(batches), step % 6 * 50
        ours.train(1)
        np.testing.assert_array_equal(ours.trainer.order[at : at + 50], rows)
        assert learning_rate(ours.trainer.training, step) == pytest.approx(case.learning_rate(step))
    assert COUNTS["train"] == 6 * 50


def test_flop_counts_the_products_of_a_step() -> None:
    assert STUDY.flop == 100 * 2 * (2 * 3072 * 50 + 3 * 50 * 50 + 3 * 50 * 10)
    assert STUDY.flop == pytest.approx(64e6, rel=0.02)


def test_contestants_take_turns_and_others_are_left_out_by_name(
    case: Case, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of two with one name the faster counts; the product has no network to train."""
    product = [
        Contestant("product", "ours.Product", {}, n, steps) for n, steps in ((2, 1.0), (1, 1e6))
    ]
    absent = Contestant("absent", "absent.Trainer")
    found = contest(case, [*product, absent], 3, 0.01)
    assert list(found) == ["product"]
    assert len(found["product"]) == 3
    assert min(found["product"]) * 2 * SIZE**3 > 1e6 * 1e9  # GFLOP/s of a core
    assert "left out: absent does not work here: ModuleNotFoundError" in capfd.readouterr().err
    with pytest.raises(AttributeError, match="Nothing"):
        contest(case, [Contestant("klayer", "ours.Nothing")], 1, 0.01)


@pytest.fixture
def result() -> Result:
    """klayer at half of the limit. A run's 9,000 steps take 90 s, its 21 points 0.5 s each."""
    one = {KLAYER[ONE]: [50.0, 200.0, 300.0], "PyTorch, eager": [50.0, 100.0, 100.0]}
    many = {KLAYER[MANY]: [100.0] * 3, LIMIT: [200.0] * 3, EVALUATION: [2.0] * 3, "JAX": [80.0] * 3}
    return Result(STUDY, {ONE: one, MANY: many}, 650_000_000)


def test_the_table_has_speeds_and_medians_of_ratios_at_its_place(
    result: Result, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(re.sub("(?s)(begin contest -->).*?(<!-- end)", r"\1old\2", PAGE))
    for _ in range(2):
        output.write_table(page, result)
    lines = page.read_text().splitlines()
    first = lines.index("<!-- begin contest -->") + 1
    assert lines[: first - 1] == PAGE.splitlines()[: first - 1]
    assert lines[first + 2 : lines.index("<!-- end contest -->")] == [
        f"| {output.HEAD} | 3 layers, BN |",
        "| --- | ---: |",
        f"| **{ONE}** |  |",
        f"| {KLAYER[ONE]} | 200 |",
        "| PyTorch, eager | 100 · 2.00 |",
        f"| **{MANY}** |  |",
        f"| {KLAYER[MANY]} | 100 |",
        "| JAX | 80 · 1.25 |",
        f"| {LIMIT} | 200 · 0.50 |",
        "| **evaluation, of klayer's time** | 10% |",
        "| **memory, all of klayer** | 650 MB |",
    ]


def test_ratios_are_of_rounds(result: Result) -> None:
    """Medians are 200 and 100; the rounds' ratios 1, 2 and 4."""
    rates = {KLAYER[ONE]: [50.0, 200.0, 400.0], "PyTorch": [50.0, 400.0, 100.0]}
    assert replace(result, rates={ONE: rates}).ratio(ONE, "PyTorch") == 1.0


def test_the_chart_is_drawn(result: Result, tmp_path: Path) -> None:
    output.draw(tmp_path / "contest.png", result)
    assert (tmp_path / "contest.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def small() -> classifier.Contest:
    """Two far groups of 20 points, 10 of them held out."""
    X = np.arange(40.0)[:, None] % 20 * [1, -1] + [[0], [100]] * 20
    y = np.array(["a", "b"] * 20)
    parts = X[:30], X[30:], y[:30], y[30:]
    return classifier.Contest("groups", lambda random_state: parts, 4, 10, 2)


def test_classifiers_train_equal_networks_equally_long(small: classifier.Contest) -> None:
    found: dict[str, Any] = small.classifiers(3, 4)
    X, _, y, _ = small.parts(random_state=3)
    for each in found.values():
        classifier._fit(each, X, y)
    mlp, plain, batch_norm = found[classifier.MLP][-1], *list(found.values())[1:]
    assert [mlp.n_iter_, plain.n_iter_, batch_norm.n_iter_] == [4] * 3
    assert mlp.t_ == 4 * 30  # samples
    assert mlp.alpha / (2 * 10) == plain.l2 == batch_norm.l2
    assert [plain.arrays_[f"affine{n}.weight"].T.shape for n in (1, 2, 3)] == [
        weights.shape for weights in mlp.coefs_[:2]
    ] + [(50, 2)]
    assert mlp.coefs_[0].dtype == np.float32
    assert plain.history_["learning_rate"].tolist() == [0.1] * 4
    assert {name.split(".")[0] for name in batch_norm.arrays_.keys() - plain.arrays_.keys()} == {
        "batch_norm1",
        "batch_norm2",
    }


def test_each_seed_of_the_classifiers_counts(small: classifier.Contest) -> None:
    accuracy, seconds = classifier.run(small)
    assert list(accuracy) == [classifier.MLP, classifier.PLAIN, classifier.BATCH_NORM]
    assert accuracy.shape == seconds.shape == (2, 3)
    assert (seconds > 0).all(axis=None)
    assert accuracy.iloc[:, 1].tolist() == [1.0, 1.0]


def test_the_classifiers_table_has_means_paired_differences_and_ratios(
    small: classifier.Contest,
) -> None:
    """Student's quantile for two values is 12.71, and their error half of their distance."""
    names = classifier.MLP, classifier.PLAIN, classifier.BATCH_NORM
    accuracy = pd.DataFrame([[0.90, 0.92, 0.90], [0.92, 0.94, 0.94]], columns=names)
    seconds = pd.DataFrame([[4.0, 1.0, 2.0], [8.0, 4.0, 2.0]], columns=names)
    text = classifier.table({small.title: (accuracy, seconds)})
    assert text.splitlines()[2:] == [
        "| groups, 4 epochs, 2 seeds | MLPClassifier | 91.00 ± 12.71 |  | 6 |  |",
        "|  | klayer without BN | 93.00 ± 12.71 | +2.00 ± 0.00 | 2.5 | 3.0 |",
        "|  | klayer with BN | 92.00 ± 25.41 | +1.00 ± 12.71 | 2 | 3.0 |",
    ]
    assert PAGE.split("<!-- begin classifier -->\n")[1].startswith(text.splitlines()[0])
