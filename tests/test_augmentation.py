"""Flips and shifts, against a plain implementation, and how training draws them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from klayer.training.augmentation import Augmenter
from klayer.training.normaliser import Normaliser
from klayer.training.run import train

from conftest import same_start
from klayer.data.dataset import Dataset
from klayer.training.trainer import Trainer
from test_blocks import settings


def plain(dataset: Dataset, image: Any, down: int, right: int, flipped: bool) -> Any:
    """One image, moved on an endless field of the mean image."""
    planes = image.astype(np.float64).reshape(3, 32, 32)
    planes = planes[:, :, ::-1] if flipped else planes
    field = np.full((3, 32 + 64, 32 + 64), np.nan)
    field[:, 32 + down : 64 + down, 32 + right : 64 + right] = planes
    seen = field[:, 32:64, 32:64].reshape(-1)
    return np.where(np.isnan(seen), 0, (seen - dataset.mean) / dataset.deviation)


@pytest.mark.parametrize(("flip", "shift"), [(True, 4), (True, 0), (False, 16), (False, 1)])
def test_images_are_those_of_a_plain_implementation(
    dataset: Dataset, flip: bool, shift: int
) -> None:
    rows = np.arange(100, 160)
    augmenter = Augmenter(dataset, 80, flip, shift, np.random.default_rng(1))
    found = augmenter.gather(dataset.train.images, rows)
    generator = np.random.default_rng(1)
    down, right = generator.integers(-shift, shift + 1, (2, 60))
    flipped = generator.integers(0, 2, 60) * flip
    assert max(abs(down).max(), abs(right).max()) == shift  # the largest ones are drawn
    for i, row in enumerate(rows):
        image = dataset.train.images[row]
        expected = plain(dataset, image, down[i], right[i], flipped[i])
        np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-5)


def test_an_image_that_stays_where_it_is_has_the_bytes_of_the_normaliser(dataset: Dataset) -> None:
    rows = np.arange(50)
    still = Augmenter(dataset, 50, False, 0, np.random.default_rng(1))
    expected = Normaliser(dataset, 50).gather(dataset.train.images, rows)
    np.testing.assert_array_equal(still.gather(dataset.train.images, rows), expected)


def test_training_takes_it_where_asked_and_repeats_by_its_seed(dataset: Dataset) -> None:
    outcomes = [
        train(same_start(settings(**changes), (0.001,), 1), dataset).parameters["W1"]
        for changes in ({}, {"flip": True}, {"flip": True}, {"shift": 4})
    ]
    assert np.array_equal(outcomes[1], outcomes[2])
    assert len({values.tobytes() for values in outcomes}) == 3


@pytest.mark.parametrize("reshuffle", [True, False])
def test_epochs_have_an_order_of_their_own_or_that_of_the_first(
    dataset: Dataset, reshuffle: bool
) -> None:
    trainer = Trainer(same_start(settings(reshuffle=reshuffle), (0.001,), 1), dataset)
    orders = []
    for step in range(3 * trainer.batches):
        trainer.passes(step)
        orders.append(trainer.order.tobytes())
    assert len(set(orders)) == (3 if reshuffle else 1)
    usual = Trainer(same_start(settings(), (0.001,), 1), dataset)
    usual.passes(0)
    assert usual.order.tobytes() == orders[0]


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "one_cycle"])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_other_schedules_and_optimisers_train(
    dataset: Dataset, schedule: str, optimizer: str
) -> None:
    changes = {"schedule": schedule, "optimizer": optimizer, "learning_rate_max": 0.01}
    outcome = train(same_start(settings(**changes), (0.001,), 1), dataset)
    assert outcome.final["train_loss"][0] < 0.9 * np.log(10)
