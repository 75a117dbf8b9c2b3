"""Images as numbers: each feature with its own mean and deviation; flips and shifts."""

from __future__ import annotations

from itertools import product
from typing import Any
from unittest import mock

import numpy as np
import pytest

from conftest import one, tiny_training
from klayer.data.dataset import Dataset
from klayer.kernels import loops
from klayer.training.images import Augmenter, Normaliser
from klayer.training.trainer import Trainer, train


def test_normalised_by_hand() -> None:
    mean, deviation = np.array([10.0, 20.0, 0.0]), np.array([2.0, 4.0, 1.0])
    images = np.array([[10, 20, 0], [12, 16, 255], [0, 24, 1]], np.uint8)
    expected = np.array([[0, 0, 0], [1, -1, 255], [-5, 1, 1]])
    rows = np.array([2, 0, 1, 1, 0, 2, 1])
    for dtype, cores in product((np.float32, np.float64), (1, 2)):
        normaliser = Normaliser(mean, deviation, dtype)
        with mock.patch.multiple(loops, WORTHWHILE=1, THREADS=cores):
            for selected in (rows, rows[:1]):
                out = normaliser.gather(images, selected)
                np.testing.assert_array_equal(out, expected[selected])
                assert out.dtype == dtype


def plain(dataset: Dataset, image: Any, down: int, right: int, flipped: bool) -> Any:
    """One image, moved on an endless field of the mean image."""
    planes = image.astype(np.float64).reshape(3, 32, 32)
    planes = planes[:, :, ::-1] if flipped else planes
    field = np.full((3, 32 + 64, 32 + 64), np.nan)
    field[:, 32 + down : 64 + down, 32 + right : 64 + right] = planes
    seen = field[:, 32:64, 32:64].reshape(-1)
    return np.where(np.isnan(seen), 0, (seen - dataset.mean) / dataset.deviation)


@pytest.mark.parametrize(("flip", "shift"), [(True, 4), (True, 0), (False, 16), (False, 1)])
def test_moved_images_are_those_of_a_plain_implementation(
    dataset: Dataset, flip: bool, shift: int
) -> None:
    rows = np.arange(100, 160)
    augmenter = Augmenter(dataset, flip, shift, np.random.default_rng(1))
    moved = augmenter.gather(dataset.train.images, rows)
    generator = np.random.default_rng(1)
    down, right = generator.integers(-shift, shift + 1, (2, 60))
    flipped = generator.integers(0, 2, 60) * flip
    assert max(abs(down).max(), abs(right).max()) == shift  # the largest ones are drawn
    for i, row in enumerate(rows):
        image = dataset.train.images[row]
        expected = plain(dataset, image, down[i], right[i], flipped[i])
        np.testing.assert_allclose(moved[i], expected, rtol=1e-4, atol=1e-5)


def test_training_takes_them_where_asked_and_repeats_by_its_seed(dataset: Dataset) -> None:
    digests = [
        train(one(**changes), dataset).row["parameters_sha256"]
        for changes in ({}, {"flip": True}, {"flip": True}, {"augment_shift": 4})
    ]
    assert digests[1] == digests[2]
    assert len(set(digests)) == 3


@pytest.mark.parametrize("reshuffle", [True, False])
def test_an_epoch_sees_every_image_once_in_an_order_of_its_own_or_that_of_the_first(
    dataset: Dataset, reshuffle: bool
) -> None:
    trainer = Trainer(tiny_training(reshuffle=reshuffle), 1, dataset)
    orders = []
    for step in range(3 * trainer.batches):
        trainer.passes(step)
        orders.append(trainer.order.tobytes())
        np.testing.assert_array_equal(np.sort(trainer.order), np.arange(300))
    assert trainer.batches == 6
    assert len(set(orders[:6])) == 1
    assert len(set(orders)) == (3 if reshuffle else 1)
    usual = Trainer(tiny_training(), 1, dataset)
    usual.passes(0)
    assert usual.order.tobytes() == orders[0]
