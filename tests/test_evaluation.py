"""Measures of a network: by other statistics for inference, on corrupted images, over views."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from conftest import BATCH_NORM, one, tiny_training
from klayer.data.corruptions import CORRUPTIONS, corrupted
from klayer.data.dataset import PIXELS, Dataset, Split
from klayer.networks.batch_norm import BatchNorm
from klayer.networks.layer import Mode, Start
from klayer.settings import StatisticsName
from klayer.training import evaluation
from klayer.training.evaluation import SHIFTS, VIEWS, Evaluator, moved
from klayer.training.loop import train
from klayer.training.results import curves_table
from klayer.training.trainer import Trainer

STATISTICS = get_args(StatisticsName)
MEASURES = ("loss", "accuracy", "cost")


def some_training(dataset: Dataset) -> Trainer:
    trainer = Trainer(tiny_training(block=BATCH_NORM), 1, dataset)
    for step in range(10):
        trainer.passes(step)
        trainer.update(step)
    return trainer


def arrays(trainer: Trainer) -> dict[str, Any]:
    return {name: values.astype(np.float64) for name, values in trainer.network.arrays().items()}


def plain(p: Any, x: Any, mean: Any, variance: Any) -> tuple[Any, list[Any]]:
    """Probabilities of normalised images (n, d), and the scores of both hidden layers, where mean
    and variance are functions of a layer's number and its scores.
    """
    scores = []
    for k in (1, 2):
        s = x @ p[f"affine{k}.weight"].T + p[f"affine{k}.bias"]
        u = (s - mean(k, s)) / np.sqrt(variance(k, s))
        x = np.maximum(p[f"batch_norm{k}.gamma"] * u + p[f"batch_norm{k}.beta"], 0)
        scores.append(s)
    powers = np.exp(x @ p["affine3.weight"].T + p["affine3.bias"])
    return powers / powers.sum(axis=1, keepdims=True), scores


def by_batch(p: Any, x: Any) -> tuple[Any, list[Any]]:
    return plain(p, x, lambda _, s: s.mean(0), lambda _, s: s.var(0))


def by_averages(p: Any, x: Any) -> Any:
    mean, variance = ((lambda k, _, n=n: p[f"batch_norm{k}.{n}"]) for n in ("mean", "variance"))
    return plain(p, x, mean, variance)[0]


def normalised(dataset: Dataset, images: Any) -> Any:
    return (images - dataset.mean) / dataset.deviation


def test_measures_are_those_of_the_plain_formulas(dataset: Dataset) -> None:
    trainer, test = some_training(dataset), dataset.test
    found = Evaluator(trainer.network, dataset).measure(test, 0.1)
    p = arrays(trainer)
    probabilities = by_averages(p, normalised(dataset, test.images))
    right = probabilities[np.arange(100), test.labels]
    squares = sum((p[f"affine{k}.weight"] ** 2).sum() for k in (1, 2, 3))
    assert found["loss"] == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert found["accuracy"] == (probabilities.argmax(axis=1) == test.labels).mean()
    assert found["cost"] == pytest.approx(found["loss"] + 0.1 * squares, rel=1e-6)


def test_the_size_of_the_chunks_changes_no_probability(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = Evaluator(some_training(dataset).network, dataset)
    whole = evaluator.probabilities(dataset.train)
    monkeypatch.setattr(evaluation, "CHUNK", 7)
    np.testing.assert_array_equal(evaluator.probabilities(dataset.train), whole)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_collecting_gives_the_mean_and_variance_of_all_rows(
    count: int, random: np.random.Generator
) -> None:
    rows = random.normal(5, 3, (count * 4, 3))
    layer = BatchNorm(1e-12, 0.9)
    layer.build(3, Start(np.dtype(np.float64), np.zeros, random))
    layer.mean[:] = layer.variance[:] = np.nan  # whatever was there
    for batch in np.split(rows, count):
        out = layer.forward(batch, Mode.COLLECT)
        np.testing.assert_allclose(out, (batch - batch.mean(0)) / batch.std(0), rtol=1e-6)
    np.testing.assert_allclose(layer.mean, rows.mean(axis=0))
    np.testing.assert_allclose(layer.variance, rows.var(axis=0))


def test_own_statistics_are_those_of_the_whole_set(dataset: Dataset) -> None:
    trainer = some_training(dataset)
    before = arrays(trainer)
    _, scores = by_batch(before, normalised(dataset, dataset.test.images))
    with Evaluator(trainer.network, dataset).statistics("own", dataset.test):
        found = arrays(trainer)
    for k, s in enumerate(scores, 1):
        np.testing.assert_allclose(found[f"batch_norm{k}.mean"], s.mean(0), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found[f"batch_norm{k}.variance"], s.var(0), rtol=1e-3)
    for name, values in arrays(trainer).items():
        np.testing.assert_array_equal(values, before[name])


def test_precise_statistics_are_of_training_images_in_batches(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "PRECISE_IMAGES", 130)
    monkeypatch.setattr(evaluation, "PRECISE_BATCH", 60)  # two batches: the last 10 make none
    trainer = some_training(dataset)
    with Evaluator(trainer.network, dataset).statistics("precise", dataset.test):
        found = arrays(trainer)
    images = normalised(dataset, dataset.train.images[:120])
    passes = [by_batch(found, batch)[1] for batch in np.split(images, 2)]
    for k in (1, 2):
        s = np.concatenate([scores[k - 1] for scores in passes])
        np.testing.assert_allclose(found[f"batch_norm{k}.mean"], s.mean(0), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found[f"batch_norm{k}.variance"], s.var(0), rtol=1e-3)


def test_the_averages_come_back_after_a_failure_and_training_goes_on(dataset: Dataset) -> None:
    trainer = some_training(dataset)
    before = arrays(trainer)
    batches = [layer.batches for layer in trainer.network.batch_norms]
    with (
        pytest.raises(RuntimeError),
        Evaluator(trainer.network, dataset).statistics("own", dataset.test),
    ):
        raise RuntimeError
    assert [layer.batches for layer in trainer.network.batch_norms] == batches == [10, 10]
    for name, values in arrays(trainer).items():
        np.testing.assert_array_equal(values, before[name])


def test_a_run_measures_more_and_trains_the_same_network(dataset: Dataset) -> None:
    usual = train(one(block=BATCH_NORM), dataset)
    more = train(
        one(block=BATCH_NORM, statistics=STATISTICS, corruptions=[*CORRUPTIONS], views=True),
        dataset,
    )
    assert usual.row.items() <= more.row.items()  # the digest of the network among them
    for name, values in usual.curves.items():
        np.testing.assert_array_equal(more.curves[name], values)
    added = {f"validation_{m}_{s}" for m in MEASURES for s in STATISTICS}
    assert set(more.curves) - set(usual.curves) == added
    assert {*added, *(f"{name}_std" for name in added)} <= set(curves_table([more]).columns)
    parts = ("validation", "test", *CORRUPTIONS)
    for part in parts:
        losses = [more.row[f"{part}_loss{s}"] for s in ("", "_own", "_precise")]
        assert len(set(losses)) == 3, part
    each = {f"{p}_{m}{s}" for p in parts for m in MEASURES for s in ("", "_own", "_precise")}
    views = {f"{p}_{m}_views" for p in parts[:2] for m in MEASURES[:2]}
    assert set(more.row) - set(usual.row) == (each | views) - set(usual.row)


def test_corruptions_by_hand() -> None:
    image = np.zeros((1, PIXELS), np.uint8)
    image[0, [0, 1, 2]] = 250, 100, 7
    part = Split(image, np.zeros(1, np.uint8))
    assert corrupted("brightness", part).images[0, :4].tolist() == [255, 164, 71, 64]
    assert corrupted("contrast", part).images[0, :4].tolist() == [189, 114, 67, 64]
    seen = corrupted("translation", part).images.reshape(3, 32, 32)
    assert seen[0, 2, :6].tolist() == [250, 250, 250, 100, 7, 0]
    np.testing.assert_array_equal(seen[0, 0], seen[0, 2])


def test_noise_has_the_deviation_it_says_and_is_always_the_same() -> None:
    part = Split(np.full((20, PIXELS), 128, np.uint8), np.zeros(20, np.uint8))
    once, again = (corrupted("noise", part).images for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.std() == pytest.approx(26, abs=0.3)
    assert once.mean() == pytest.approx(128, abs=0.5)


@pytest.mark.parametrize(
    ("flip", "down", "right", "row", "column"),
    [(False, 0, 0, 5, 7), (False, 2, 0, 7, 7), (False, -2, 1, 3, 8), (True, 0, 2, 5, 26)],
)
def test_a_pixel_of_a_view_comes_where_it_belongs(
    flip: bool, down: int, right: int, row: int, column: int
) -> None:
    image = np.zeros((1, 3, 32, 32), np.uint8)
    image[0, 1, 5, 7] = 200  # mirrored it stands in column 24
    seen = moved(image.reshape(1, PIXELS), flip, down, right, np.zeros(PIXELS))
    assert np.argwhere(seen.reshape(3, 32, 32)).tolist() == [[1, row, column]]


def test_what_comes_into_a_view_is_the_mean_image() -> None:
    images = np.zeros((2, PIXELS), np.uint8)
    seen = moved(images, False, 2, 0, np.full(PIXELS, 99.6)).reshape(2, 3, 32, 32)
    assert (seen[:, :, :2] == 100).all()
    assert (seen[:, :, 2:] == 0).all()


def test_measures_over_views_are_those_of_the_mean_probabilities(dataset: Dataset) -> None:
    trainer, test = some_training(dataset), dataset.test
    found = Evaluator(trainer.network, dataset).over_views(test)
    assert len(VIEWS) == len(set(VIEWS)) == 2 * len(SHIFTS) == 10
    views = [moved(test.images, flip, *shift, dataset.mean) for flip, shift in VIEWS]
    mean = np.mean([by_averages(arrays(trainer), normalised(dataset, v)) for v in views], axis=0)
    assert found["accuracy"] == (mean.argmax(axis=1) == test.labels).mean()
    right = mean[np.arange(100), test.labels]
    assert found["loss"] == pytest.approx(-np.log(right).mean(), rel=1e-5)
