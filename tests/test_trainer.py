"""A run of one network: steps, curves, final measures, divergence, and what has learnt."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conftest import BATCH_NORM, block, one, tiny_training
from klayer.data.dataset import Dataset, Split
from klayer.kernels.products import GROUP
from klayer.kernels.tiles import LANES
from klayer.networks.network import Network
from klayer.networks.schedules import SCHEDULES
from klayer.training.evaluation import Evaluator
from klayer.training.trainer import Outcome, Trainer, architecture, has_learnt, train

CHANCE = {"loss": np.log(10), "accuracy": 0.1, "cost": np.log(10)}
PARTS = ("train", "validation", "test")


def groups(outcome: Outcome) -> dict[str, Any]:
    names = ("curves", "layers", "predictions", "network")
    return {f"{g}.{n}": array for g in names for n, array in getattr(outcome, g).items()}


def assert_finite(outcome: Outcome) -> None:
    for name, array in groups(outcome).items():
        assert np.isfinite(array).all() or name.endswith((".mean", ".variance")), name
    assert np.isfinite([v for v in outcome.row.values() if not isinstance(v, str)]).all()


def assert_at_chance(outcome: Outcome) -> None:
    """The final measures of a diverged network, and the network itself."""
    assert_finite(outcome)
    for name, value in outcome.row.items():
        for measure, chance in CHANCE.items():
            if measure in name.split("_"):
                assert value == pytest.approx(chance, rel=1e-15), name
    assert outcome.row["learnt"] == 0
    for name, values in outcome.network.items():
        assert not values.any() or name.endswith((".mean", ".variance")), name
    if outcome.predictions:
        np.testing.assert_allclose(outcome.predictions["examples"], 0.1, rtol=1e-6)
        assert np.trace(outcome.predictions["confusion"]) == 10  # of 100 images


@pytest.mark.parametrize("batch_norm", [False, True])
def test_networks_learn(dataset: Dataset, batch_norm: bool) -> None:
    outcome = train(one(block=block(batch_norm), l2=0.001), dataset)
    assert float(outcome.row["test_accuracy"]) > 0.4
    assert outcome.curves["train_cost"][-1] < outcome.curves["train_cost"][0]
    assert (outcome.row["learnt"], outcome.row["diverged_at"], outcome.row["seed"]) == (1, -1, 1)


def test_a_seed_decides_start_and_order_and_lambda_neither(dataset: Dataset) -> None:
    trainers = [
        Trainer(tiny_training(l2=l2), seed, dataset) for l2, seed in ((0, 1), (0.1, 1), (0, 2))
    ]
    starts = [t.network.arrays()["affine1.weight"].tobytes() for t in trainers]
    for trainer in trainers:
        trainer.passes(0)
    orders = [t.order.tobytes() for t in trainers]
    for by_seed in (starts, orders):
        assert by_seed[0] == by_seed[1] != by_seed[2]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_step_allocates_nothing_that_stays_and_no_more_than_a_product_s_partial_sums(
    dataset: Dataset, batch_norm: bool
) -> None:
    trainer = Trainer(tiny_training(block=block(batch_norm), hidden=[400, 200]), 1, dataset)
    for step in range(2):  # the first ones compile
        trainer.passes(step)
        trainer.update(step)
    tracemalloc.start()
    try:
        for step in range(2, 10):
            trainer.passes(step)
            trainer.update(step)
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 8192
    assert peak < 2 * GROUP * 400 * LANES * 4 + 65536  # on two threads


@pytest.mark.parametrize(("interval", "steps"), [(15, [15, 30, 40]), (20, [20, 40]), (100, [40])])
def test_a_point_of_the_curves_every_interval_and_at_the_end(
    dataset: Dataset, interval: int, steps: list[int]
) -> None:
    outcome = train(one(evaluation_interval=interval), dataset)
    assert outcome.curves["step"].tolist() == steps
    rates = [SCHEDULES["triangular"](step - 1, 40, 20, 1e-5, 0.1) for step in steps]
    np.testing.assert_array_equal(outcome.curves["learning_rate"], rates)
    for part in PARTS[:2]:
        for measure in CHANCE:
            assert outcome.curves[f"{part}_{measure}"].shape == (len(steps),)


def test_evaluation_changes_nothing(dataset: Dataset) -> None:
    often, seldom = (
        train(one(block=BATCH_NORM, evaluation_interval=interval), dataset).row
        for interval in (1, 40)
    )
    assert often == seldom  # the digest of the network among them


def test_layers_are_looked_into_at_six_steps(dataset: Dataset) -> None:
    outcome = train(one(), dataset)
    assert outcome.layers["step"].tolist() == [0, 8, 16, 23, 31, 39]
    trainer = Trainer(tiny_training(), 1, dataset)
    for step in range(9):
        trainer.passes(step)
        if step in (0, 8):
            deviations = [layer.scores.astype(float).std() for layer in trainer.network.affine]
            norms = [
                np.linalg.norm(layer.weight.grad.astype(float)) for layer in trainer.network.affine
            ]
            at = step // 8
            np.testing.assert_allclose(outcome.layers["score_std"][at], deviations)
            np.testing.assert_allclose(outcome.layers["gradient_norm"][at], norms)
        trainer.update(step)


def test_the_last_point_is_of_all_validation_images_and_as_many_training_images(
    dataset: Dataset,
) -> None:
    job = one(block=BATCH_NORM, l2=0.01)
    outcome = train(job, dataset)
    network = Network(architecture(job.training, 3072, 10))
    network.load(outcome.network)
    evaluator = Evaluator(network, dataset)
    for part, split in zip(
        PARTS, (dataset.train.head(100), dataset.validation, dataset.test), strict=True
    ):
        for measure, value in evaluator.measure(split, 0.01).items():
            assert outcome.row[f"{part}_{measure}"] == value
            assert part == "test" or outcome.curves[f"{part}_{measure}"][-1] == value
    probabilities, labels = evaluator.probabilities(dataset.test.images), dataset.test.labels
    for actual in range(10):
        predicted = probabilities[labels == actual].argmax(axis=1).tolist()
        counts = [predicted.count(c) for c in range(10)]
        assert outcome.predictions["confusion"][actual].tolist() == counts
    np.testing.assert_array_equal(outcome.predictions["examples"], probabilities[:12])


def test_without_test_the_test_images_are_left_alone(dataset: Dataset) -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"the test set was asked for {name}")

    untouchable: Any = Untouchable()
    others = replace(dataset, test=untouchable)
    for rate in (0.1, 1e6):
        outcome = train(one(test=False, learning_rate_max=rate, l2=0.0), others)
        assert not [name for name in outcome.row if name.startswith("test")]
        assert not outcome.predictions


@pytest.mark.parametrize(("hidden", "batch_norm"), [([], False), ([8, 6], True), ([5] * 8, False)])
def test_a_network_that_diverges_in_training_counts_with_the_chance_level(
    dataset: Dataset, batch_norm: bool, hidden: list[int]
) -> None:
    job = one(block=block(batch_norm), hidden=hidden, learning_rate_max=1e6, l2=0.0)
    decay = {"l2": 1.0}  # a step takes each weight two million times, which params.yaml refuses
    outcome = train(replace(job, training=job.training.model_copy(update=decay)), dataset)
    assert 0 <= int(outcome.row["diverged_at"]) < 40
    assert_at_chance(outcome)
    for name, values in outcome.curves.items():
        if name not in ("step", "learning_rate"):
            np.testing.assert_allclose(values[-1], CHANCE[name.split("_")[1]], rtol=1e-15)


FURTHER: dict[str, Any] = {
    "statistics": ["own", "precise"],
    "corruptions": ["brightness", "noise"],
    "views": True,
}


@pytest.mark.parametrize(("part", "step"), [("validation", 9), ("test", 39)])
def test_a_network_that_overflows_on_images_of_one_part_alone(
    dataset: Dataset, part: str, step: int
) -> None:
    """They differ from the mean at a pixel where training images do not. All final measures are
    those of chance, also the ones that were finite; curves keep the points before.
    """
    images = {p: getattr(dataset, p).images.copy() for p in PARTS}
    for values in images.values():
        values[:, 0] = 0
    images[part][:, 0] = 255
    mean, deviation = dataset.mean.copy(), dataset.deviation.copy()
    mean[0], deviation[0] = 0, 1e-38
    parts: dict[str, Any] = {p: Split(images[p], getattr(dataset, p).labels) for p in PARTS}
    parts |= {"mean": mean, "deviation": deviation}
    job = one(block=BATCH_NORM, **FURTHER)
    outcome = train(job, replace(dataset, **parts))
    assert outcome.row["diverged_at"] == step
    if part == "test":
        outcome.predictions.clear()  # no 8-bit images overflow on the way into the network
    assert_at_chance(outcome)
    assert set(outcome.row) == set(train(job, dataset).row)
    before = (outcome.curves["train_loss"] < 2.3).tolist()
    assert before == [after < step for after in (10, 20, 30, 40)]


@pytest.mark.parametrize(
    ("right", "most_frequent", "learnt"),
    [
        (30, 10, True),  # of 100 images: 0.219 to 0.396
        (17, 10, True),  # 0.109 to 0.255
        (16, 11, False),  # 0.101 to 0.244
        (10, 10, False),  # always the same answer
    ],
)
def test_what_has_learnt(right: int, most_frequent: int, learnt: bool) -> None:
    labels = np.arange(100) % 10
    labels[1 : 1 + most_frequent - 10] = 0
    assert has_learnt(right / 100, labels) == learnt


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_batch_of_one(dataset: Dataset, batch_norm: bool) -> None:
    assert_finite(train(one(block=block(batch_norm), batch_size=1), dataset))


@pytest.mark.parametrize("dead", [False, True])
def test_a_network_that_gives_one_answer_has_not_learnt(dataset: Dataset, dead: bool) -> None:
    """Where half of the images are of one class it is right on half of them."""
    labels = np.where(np.arange(300) % 2, 3, dataset.train.labels).astype(np.uint8)
    images = dataset.train.images if dead else np.full_like(dataset.train.images, 100)
    job = one(initialisation="normal", sigma=1e-12) if dead else one()
    outcome = train(job, replace(dataset, train=Split(images, labels)))
    assert float(outcome.row["train_accuracy"]) > 0.5
    assert (outcome.row["learnt"], outcome.row["diverged_at"]) == (0, -1)
    assert_finite(outcome)
