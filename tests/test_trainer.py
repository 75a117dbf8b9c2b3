"""Whole runs of populations: populations against their members, divergence, evaluation."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from klayer.networks.schedule import cyclical_learning_rate
from klayer.training.run import train

from conftest import ROOT, block, same_start, tiny_settings
from klayer import params
from klayer.data.dataset import Dataset, Split
from klayer.errors import KlayerError
from klayer.networks.network import restored
from klayer.params import section
from klayer.training.evaluation import Evaluator
from klayer.training.job import Job, Outcome, one_for_each_seed
from klayer.training.settings import Training
from klayer.training.trainer import Trainer

GUESS = {"loss": np.log(10), "accuracy": 0.1, "cost": np.log(10)}


def settings(**changes: Any) -> Training:
    sections = tiny_settings()
    sections["training"] |= changes
    return section(sections, "training", Training)


def finite(outcome: Outcome) -> bool:
    groups = (
        outcome.history,
        outcome.final,
        outcome.layers,
        outcome.parameters,
        outcome.predictions,
    )
    return all(np.isfinite(array).all() for group in groups for array in group.values())


@pytest.mark.parametrize("batch_norm", [False, True])
def test_networks_learn(dataset: Dataset, batch_norm: bool) -> None:
    outcome = train(same_start(settings(block=block(batch_norm)), (0.001,), 1), dataset)
    assert outcome.final["test_accuracy"][0] > 0.4  # a guess has 0.1
    assert outcome.history["train_cost"][-1, 0] < outcome.history["train_cost"][0, 0]
    np.testing.assert_array_equal(outcome.final["diverged_at"], [-1])


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_population_equals_its_members_alone(dataset: Dataset, batch_norm: bool) -> None:
    training = settings(block=block(batch_norm))
    together = train(same_start(training, (0.0, 0.01, 0.1), 5), dataset)
    for m, l2 in enumerate((0.0, 0.01, 0.1)):
        alone = train(same_start(training, (l2,), 5), dataset)
        for name, values in alone.parameters.items():  # float32: products add up in another order
            np.testing.assert_allclose(
                together.parameters[name][m], values[0], rtol=1e-2, atol=2e-4, err_msg=name
            )


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_step_allocates_nothing_of_size(dataset: Dataset, batch_norm: bool) -> None:
    training = settings(block=block(batch_norm), hidden=[400, 200])
    trainer = Trainer(same_start(training, (0.0, 0.01, 0.1), 1), dataset)
    for step in range(2):  # the first ones compile
        trainer.passes(step)
        trainer.update(step)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for step in range(2, 10):
            trainer.passes(step)
            trainer.update(step)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    numpys_own = 8192 * 4  # bytes that NumPy takes for a sum or product of arrays of two shapes
    assert trainer.network.scores[1].nbytes > 3 * numpys_own  # the smallest array of size
    assert peak - before < 2 * numpys_own


def test_a_run_s_memory_is_given_back_at_its_end(dataset: Dataset) -> None:
    """Objects in a circle would keep its arrays, and the images that it mapped, for a while."""
    images = replace(dataset)
    gone = weakref.ref(images)
    gc.collect()
    gc.disable()
    try:
        train(same_start(settings(block=block(True)), (0.01,), 1), images)
        del images
        assert gone() is None
    finally:
        gc.enable()


def test_equal_inputs_give_equal_bytes(dataset: Dataset) -> None:
    first, second = (train(same_start(settings(), (0.0, 0.01), 5), dataset) for _ in range(2))
    for group in ("history", "final", "layers", "parameters", "predictions"):
        for name, values in getattr(first, group).items():
            assert values.tobytes() == getattr(second, group)[name].tobytes()


def test_another_seed_gives_another_start_and_another_order(dataset: Dataset) -> None:
    one, two = (Trainer(same_start(settings(), (0.0,), seed), dataset) for seed in (1, 2))
    assert np.abs(one.parameters.named()["W1"] - two.parameters.named()["W1"]).max() > 0
    for trainer in (one, two):
        trainer.passes(0)
    assert (one.order != two.order).any()


def test_each_seed_is_a_network_of_its_own_in_their_order() -> None:
    jobs = one_for_each_seed(settings(seeds=[3, 1, 4], l2=0.5))
    assert [(job.seeds, job.l2) for job in jobs] == [((s,), (0.5,)) for s in (3, 1, 4)]


def test_a_network_starts_from_its_own_seed_and_follows_the_order_of_the_first(
    dataset: Dataset,
) -> None:
    pair = Trainer(Job(settings(), (0.0, 0.0), (1, 2)), dataset)
    for m, seed in enumerate((1, 2)):
        alone = Trainer(Job(settings(), (0.0,), (seed,)), dataset)
        for name, values in alone.parameters.named().items():
            np.testing.assert_array_equal(pair.parameters.named()[name][m], values[0])
        for trainer in (pair, alone):
            trainer.passes(0)
        assert (pair.order == alone.order).all() == (m == 0)


def test_every_epoch_sees_every_image_once_in_a_new_order(dataset: Dataset) -> None:
    trainer = Trainer(same_start(settings(), (0.0,), 1), dataset)
    orders = []
    for step in range(12):  # 2 epochs of 6 batches
        trainer.passes(step)
        orders.append(trainer.order.copy())
    np.testing.assert_array_equal(np.sort(orders[0]), np.arange(300))
    np.testing.assert_array_equal(orders[0], orders[5])
    np.testing.assert_array_equal(np.sort(orders[6]), np.arange(300))
    assert (orders[0] != orders[6]).any()


@pytest.mark.parametrize(
    ("interval", "steps"),
    [(1, [*range(1, 41)]), (15, [15, 30, 40]), (20, [20, 40]), (40, [40]), (100, [40])],
)
def test_a_point_of_the_curves_every_interval_and_at_the_end(
    dataset: Dataset, interval: int, steps: list[int]
) -> None:
    outcome = train(same_start(settings(evaluation_interval=interval), (0.0,), 1), dataset)
    history = outcome.history
    assert history["step"].tolist() == steps
    rates = [cyclical_learning_rate(step - 1, 20, 1e-5, 0.1) for step in steps]
    np.testing.assert_array_equal(history["learning_rate"], rates)
    for part in ("train", "validation"):
        for measure in GUESS:
            assert history[f"{part}_{measure}"].shape == (len(steps), 1)


def test_the_study_has_about_40_points(dataset: Dataset) -> None:
    sections = params.read(ROOT / "params.yaml")
    training = params.section(sections, "training", Training)
    assert 36 <= training.steps / training.evaluation_interval <= 44


def test_the_last_point_is_of_all_validation_images_and_as_many_training_images(
    dataset: Dataset,
) -> None:
    job = same_start(settings(block=block(True)), (0.01, 0.1), 1)
    outcome = train(job, dataset)
    parameters = restored(job.training.architecture(3072), outcome.parameters)
    evaluator = Evaluator(job.training.architecture(3072), parameters, dataset)
    parts = {
        "train": dataset.train.head(100),
        "validation": dataset.validation,
        "test": dataset.test,
    }
    for part, split in parts.items():
        for measure, values in evaluator.measure(split, np.array(job.l2)).items():
            found = outcome.final[f"{part}_{measure}"]
            np.testing.assert_allclose(found, values, rtol=1e-5)
            if part != "test":
                np.testing.assert_array_equal(outcome.history[f"{part}_{measure}"][-1], found)


def test_predictions_of_the_test_images(dataset: Dataset) -> None:
    job = same_start(settings(), (0.001, 0.1), 1)
    outcome = train(job, dataset)
    architecture = job.training.architecture(3072)
    evaluator = Evaluator(architecture, restored(architecture, outcome.parameters), dataset)
    probabilities, labels = evaluator.probabilities(dataset.test), dataset.test.labels
    confusion = outcome.predictions["confusion"]
    assert confusion.shape == (2, 10, 10)
    for m in range(2):
        for actual in range(10):
            predicted = probabilities[labels == actual, m].argmax(axis=1).tolist()
            assert confusion[m, actual].tolist() == [predicted.count(c) for c in range(10)]
        assert np.trace(confusion[m]) / 100 == pytest.approx(outcome.final["test_accuracy"][m])
    examples = outcome.predictions["examples"]
    np.testing.assert_allclose(examples, probabilities[:12].swapaxes(0, 1), rtol=1e-4, atol=1e-6)


def test_a_diverged_network_predicts_evenly(dataset: Dataset) -> None:
    outcome = train(same_start(settings(learning_rate_max=1e6, l2=0.0), (1.0,), 1), dataset)
    assert outcome.final["diverged_at"][0] >= 0
    np.testing.assert_allclose(outcome.predictions["examples"], 0.1, rtol=1e-6)
    assert np.trace(outcome.predictions["confusion"][0]) == 10  # of 100 images


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("rate", [1e2, 1e6])
@pytest.mark.parametrize("hidden", [[], [8, 6], [5] * 8])
def test_divergence_is_finite_and_counts_as_a_guess(
    dataset: Dataset, batch_norm: bool, rate: float, hidden: list[int]
) -> None:
    training = settings(block=block(batch_norm), learning_rate_max=rate, hidden=hidden, l2=0.0)
    outcome = train(same_start(training, (0.01, 1.0), 1), dataset)
    assert finite(outcome)
    diverged = outcome.final["diverged_at"] >= 0
    if rate == 1e6:
        assert diverged.all()
    for part in ("train", "validation", "test"):
        for measure, value in GUESS.items():
            np.testing.assert_array_equal(outcome.final[f"{part}_{measure}"][diverged], value)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_member_that_diverges_does_not_disturb_the_others(
    dataset: Dataset, batch_norm: bool
) -> None:
    training = settings(block=block(batch_norm))
    together = train(same_start(training, (0.01, 1e30), 5), dataset)
    alone = train(same_start(training, (0.01,), 5), dataset)
    assert together.final["diverged_at"][0] == -1
    assert 0 <= together.final["diverged_at"][1] < training.steps
    assert together.final["test_accuracy"][1] == 0.1
    for name, values in alone.parameters.items():
        np.testing.assert_allclose(together.parameters[name][0], values[0], rtol=1e-2, atol=2e-4)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_batch_of_one(dataset: Dataset, batch_norm: bool) -> None:
    outcome = train(same_start(settings(block=block(batch_norm), batch_size=1), (0.0,), 1), dataset)
    assert finite(outcome)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_images_that_do_not_vary(dataset: Dataset, batch_norm: bool) -> None:
    grey = np.full_like(dataset.train.images, 100)
    same = replace(dataset, train=Split(grey, dataset.train.labels))
    assert finite(train(same_start(settings(block=block(batch_norm)), (0.0,), 1), same))


def test_a_network_whose_units_are_dead_stays_at_a_guess(dataset: Dataset) -> None:
    training = settings(initialisation="normal", sigma=1e-12)
    outcome = train(same_start(training, (0.0,), 1), dataset)
    assert finite(outcome)
    assert outcome.final["train_loss"][0] == pytest.approx(np.log(10), abs=0.01)
    np.testing.assert_array_equal(outcome.final["diverged_at"], [-1])


def test_without_test_the_test_images_are_left_alone(dataset: Dataset) -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"the test set was asked for {name}")

    untouchable: Any = Untouchable()
    others = replace(dataset, test=untouchable)
    outcome = train(same_start(settings(), (0.0,), 1), others, test=False)
    assert not [name for name in outcome.final if name.startswith("test")]
    assert not outcome.predictions


def test_evaluation_changes_nothing(dataset: Dataset) -> None:
    population = same_start(settings(block=block(True)), (0.0, 0.01), 1)
    often, seldom = (
        train(
            replace(population, training=settings(block=block(True), evaluation_interval=n)),
            dataset,
        )
        for n in (1, 40)
    )
    for name, values in often.parameters.items():
        np.testing.assert_array_equal(values, seldom.parameters[name])


def test_evaluation_does_not_depend_on_the_size_of_its_chunks(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    population = same_start(settings(block=block(True)), (0.0, 0.01), 1)
    trainer = Trainer(population, dataset)
    trainer.passes(0)
    whole = Evaluator(trainer.architecture, trainer.parameters, dataset).measure(
        dataset.train, trainer.l2
    )
    monkeypatch.setattr("klayer.training.evaluation.CHUNK", 7)
    parts = Evaluator(trainer.architecture, trainer.parameters, dataset).measure(
        dataset.train, trainer.l2
    )
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-5)


def test_a_batch_larger_than_the_data_is_refused(dataset: Dataset) -> None:
    with pytest.raises(KlayerError, match=r"batch_size is 301.*at most the 300 training images"):
        train(same_start(settings(batch_size=301), (0.0,), 1), dataset)


def test_report_is_told_the_steps_done(dataset: Dataset) -> None:
    told: list[tuple[int, int]] = []
    training = settings(half_cycle=125, evaluation_interval=50)
    train(
        same_start(training, (0.0,), 1),
        dataset,
        report=lambda step, history: told.append((step, len(history["step"]))),
    )
    assert told == [(100, 2), (200, 4)]
