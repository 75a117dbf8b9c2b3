"""Test-time augmentation: the mean answer over views of an image."""

from __future__ import annotations

import numpy as np
import pytest
from klayer.training.run import train
from klayer.training.views import VIEWS, measure, moved

from conftest import tiny_settings
from klayer.data.dataset import PIXELS, Dataset
from klayer.params import section
from klayer.training.evaluation import Evaluator
from klayer.training.job import one_for_each_seed
from klayer.training.settings import Training
from klayer.training.trainer import Trainer


def training(views: bool) -> Training:
    sections = tiny_settings()
    sections["training"] |= {"views": views}
    return section(sections, "training", Training)


@pytest.mark.parametrize(
    ("flip", "down", "right", "row", "column"),
    [(False, 0, 0, 5, 7), (False, 2, 0, 7, 7), (False, -2, 1, 3, 8), (True, 0, 2, 5, 26)],
)
def test_a_pixel_comes_where_it_belongs(
    flip: bool, down: int, right: int, row: int, column: int
) -> None:
    image = np.zeros((1, 3, 32, 32), np.uint8)
    image[0, 1, 5, 7] = 200  # mirrored it stands in column 24
    seen = moved(image.reshape(1, PIXELS), flip, down, right, np.zeros(PIXELS))
    assert np.argwhere(seen.reshape(3, 32, 32)).tolist() == [[1, row, column]]


def test_what_comes_in_is_the_mean_image() -> None:
    images = np.zeros((2, PIXELS), np.uint8)
    seen = moved(images, False, 2, 0, np.full(PIXELS, 99.6)).reshape(2, 3, 32, 32)
    assert (seen[:, :, :2] == 100).all()
    assert (seen[:, :, 2:] == 0).all()


def test_the_measures_are_those_of_the_mean_probabilities(dataset: Dataset) -> None:
    trainer = Trainer(one_for_each_seed(training(False))[0], dataset)
    evaluator = Evaluator(trainer.architecture, trainer.parameters, dataset)
    found = measure(evaluator, dataset, dataset.test)

    mean = np.zeros((len(dataset.test), 10))
    for flip, (down, right) in VIEWS:
        for number, image in enumerate(dataset.test.images):
            view = moved(image[np.newaxis], flip, down, right, dataset.mean)
            x = (view - dataset.mean) / dataset.deviation
            mean[number] += _plain(trainer, x[0]) / len(VIEWS)
    labels = dataset.test.labels
    assert found["accuracy"] == pytest.approx([(mean.argmax(axis=1) == labels).mean()])
    assert found["loss"] == pytest.approx([-np.log(mean[range(len(mean)), labels]).mean()], 1e-5)


def _plain(trainer: Trainer, x: np.ndarray) -> np.ndarray:
    named = {
        name: values[0].astype(np.float64) for name, values in trainer.parameters.named().items()
    }
    for layer in range(1, 4):
        x = x @ named[f"W{layer}"] + named[f"b{layer}"]
        x = np.maximum(x, 0) if layer < 3 else x
    powers = np.exp(x - x.max())
    return np.asarray(powers / powers.sum())


def test_views_add_measures_and_change_nothing_else(dataset: Dataset) -> None:
    usual, seen = (train(one_for_each_seed(training(views))[0], dataset) for views in (False, True))
    added = {f"{part}_{m}_views" for part in ("validation", "test") for m in ("loss", "accuracy")}
    assert set(seen.final) - set(usual.final) == added
    assert all((seen.final[name] == values).all() for name, values in usual.final.items())
    assert all((seen.parameters[n] == values).all() for n, values in usual.parameters.items())
