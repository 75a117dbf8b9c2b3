"""Measures of a network: by other statistics for inference, on corrupted images, over views."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from conftest import BATCH_NORM, one, tiny_training
from klayer.data.corruptions import CORRUPTIONS, corrupted
from klayer.data.dataset import PIXELS, Dataset, Split
from klayer.settings import StatisticsName
from klayer.training import evaluation
from klayer.training.evaluation import FLIPS_AND_SHIFTS, VIEWS, Evaluator, moved
from klayer.training.results import curves_table
from klayer.training.trainer import Trainer, train
from plain import copied, forward

STATISTICS = get_args(StatisticsName)
MEASURES = ("loss", "accuracy", "cost")


def briefly_trained(dataset: Dataset) -> Trainer:
    trainer = Trainer(tiny_training(block=BATCH_NORM), 1, dataset)
    for step in range(10):
        trainer.passes(step)
        trainer.update(step)
    return trainer


def normalised(dataset: Dataset, images: Any) -> Any:
    return (images - dataset.mean) / dataset.deviation


def test_measures_are_those_of_the_plain_formulas(dataset: Dataset) -> None:
    trainer, test = briefly_trained(dataset), dataset.test
    measured = Evaluator(trainer.network, dataset).measure(test, 0.1)
    p = copied(trainer.network)
    probabilities, _ = forward(p, normalised(dataset, test.images), train=False)
    right = probabilities[np.arange(100), test.labels]
    squares = sum((p[f"affine{k}.weight"] ** 2).sum() for k in (1, 2, 3))
    assert measured["loss"] == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert measured["accuracy"] == (probabilities.argmax(axis=1) == test.labels).mean()
    assert measured["cost"] == pytest.approx(measured["loss"] + 0.1 * squares, rel=1e-6)


def test_the_size_of_the_chunks_changes_no_probability(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = Evaluator(briefly_trained(dataset).network, dataset)
    whole = evaluator.probabilities(dataset.train.images)
    monkeypatch.setattr(evaluation, "CHUNK", 7)
    np.testing.assert_array_equal(evaluator.probabilities(dataset.train.images), whole)


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_are_of_all_rows_of_their_batches_and_go_after_use(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(evaluation, "PRECISE_IMAGES", 130)
    monkeypatch.setattr(evaluation, "PRECISE_BATCH", 60)  # two batches: the last 10 make none
    images = dataset.test.images if name == "own" else dataset.train.images[:120]
    batches = np.split(normalised(dataset, images), 1 if name == "own" else 2)
    trainer = briefly_trained(dataset)
    before = copied(trainer.network)
    passes = [forward(before, batch, train=True)[1] for batch in batches]
    evaluator = Evaluator(trainer.network, dataset)
    evaluator.measure(dataset.test, 0.0, name)
    for array, values in trainer.network.arrays().items():
        np.testing.assert_array_equal(values, before[array])
    assert [layer.batches for layer in trainer.network.batch_norms] == [10, 10]
    evaluator.collect(name, dataset.test.images)
    measured = copied(trainer.network)
    for k in (1, 2):
        s = np.concatenate([layers[k - 1][1] for layers in passes])  # scores
        np.testing.assert_allclose(measured[f"batch_norm{k}.mean"], s.mean(0), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(measured[f"batch_norm{k}.variance"], s.var(0), rtol=1e-3)


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
    measures = {f"{p}_{m}{s}" for p in parts for m in MEASURES for s in ("", "_own", "_precise")}
    views = {f"{p}_{m}_views" for p in parts[:2] for m in MEASURES[:2]}
    assert set(more.row) - set(usual.row) == (measures | views) - set(usual.row)


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
    black = moved(np.zeros((1, PIXELS), np.uint8), flip, down, right, np.full(PIXELS, 99.6))
    edges = black.reshape(3, 32, 32) == 100  # the mean image comes in
    assert edges.sum() == 3 * (32 * 32 - (32 - abs(down)) * (32 - abs(right)))


def test_measures_over_views_are_those_of_the_mean_probabilities(dataset: Dataset) -> None:
    trainer, test = briefly_trained(dataset), dataset.test
    measured = Evaluator(trainer.network, dataset).measure(test, 0.1, VIEWS)
    assert len(set(FLIPS_AND_SHIFTS)) == 10
    views = [moved(test.images, flip, *shift, dataset.mean) for flip, shift in FLIPS_AND_SHIFTS]
    p = copied(trainer.network)
    mean = np.mean([forward(p, normalised(dataset, v), train=False)[0] for v in views], axis=0)
    assert measured["accuracy"] == (mean.argmax(axis=1) == test.labels).mean()
    right = mean[np.arange(100), test.labels]
    assert measured["loss"] == pytest.approx(-np.log(right).mean(), rel=1e-5)
