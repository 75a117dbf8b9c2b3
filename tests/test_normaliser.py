"""Images are gathered in the order asked for, each feature with its own mean and deviation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from klayer.training.normaliser import Normaliser

from klayer.data.dataset import Dataset


def test_by_hand(dataset: Dataset) -> None:
    mean, deviation = np.array([10.0, 20.0, 0.0]), np.array([2.0, 4.0, 1.0])
    images = np.array([[10, 20, 0], [12, 16, 255], [0, 24, 1]], np.uint8)
    normaliser = Normaliser(replace(dataset, mean=mean, deviation=deviation), 3)
    out = normaliser.gather(images, np.array([2, 0]))
    np.testing.assert_array_equal(out, [[-5, 1, 1], [0, 0, 0]])
    assert out.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_plain_formula(dataset: Dataset, dtype: type) -> None:
    rows = np.random.default_rng(3).integers(0, 300, 40)
    out = Normaliser(dataset, 40, dtype).gather(dataset.train.images, rows)
    plain = (dataset.train.images[rows] - dataset.mean) / dataset.deviation
    np.testing.assert_allclose(out, plain, rtol=1e-4, atol=1e-5)
