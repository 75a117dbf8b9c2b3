"""Outcomes become metrics, tables and pictures: small cases worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import tiny_settings, write_params
from klayer.stages import train
from klayer.study import results
from klayer.training.job import MEASURES, Outcome

PARTS = ("train", "validation", "test")


def outcome(accuracy: float, loss: float = 1.0, diverged: int = -1) -> Outcome:
    values = {"accuracy": accuracy, "loss": loss, "cost": loss + 1}
    final = {f"{part}_{name}": np.array([values[name]]) for part in PARTS for name in MEASURES}
    history = {"step": np.array([5, 10]), "learning_rate": np.array([0.1, 0.2])}
    history |= {
        f"{part}_{name}": np.array([[0.0], [values[name]]]) for part in PARTS[:2] for name in values
    }
    layers = {"step": np.array([0, 9])}
    layers |= {
        "score_std": np.array([[[1.0, 2]], [[3, 4]]]) * accuracy,
        "gradient_norm": np.ones((2, 1, 2)),
    }
    weights = {"W1": np.full((1, 3072, 11), accuracy, np.float32)}
    return Outcome(history, final | {"diverged_at": np.array([diverged])}, layers, weights)


def test_summary_by_hand() -> None:
    outcomes = [outcome(0.4), outcome(0.6), outcome(0.1, np.log(10), 7), outcome(0.1, np.log(10))]
    metrics = results.summary(outcomes)
    assert metrics["test_accuracy"] == pytest.approx(0.3)
    assert metrics["test_accuracy_std"] == pytest.approx(np.std([0.4, 0.6, 0.1, 0.1], ddof=1))
    assert (metrics["diverged"], metrics["dead"], metrics["seeds"]) == (1, 1, 4)


def test_one_seed_has_no_spread() -> None:
    metrics = results.summary([outcome(0.4)])
    assert metrics["test_accuracy_std"] == 0.0
    assert all(np.isfinite(value) for value in metrics.values())


def test_curves_are_means_over_seeds() -> None:
    table = results.curves([outcome(0.4), outcome(0.6)])
    np.testing.assert_array_equal(table["step"], [5, 10])
    np.testing.assert_allclose(table["train_accuracy"], [0, 0.5])
    np.testing.assert_allclose(table["validation_accuracy_std"], [0, 0.2 / np.sqrt(2)])


def test_layers_are_means_over_seeds() -> None:
    table = results.layers_table([outcome(0.4), outcome(0.6)])
    assert table[["step", "layer"]].to_numpy().tolist() == [[0, 1], [0, 2], [9, 1], [9, 2]]
    np.testing.assert_allclose(table["score_std"], [0.5, 1, 1.5, 2])


def test_confusion_by_hand() -> None:
    probabilities = np.zeros((2, 2, 10))
    probabilities[0, :, 3] = 1  # both networks say cat of the first image
    probabilities[1, 0, 5] = probabilities[1, 1, 3] = 1  # of the second one dog, the other cat
    table = results.confusion(probabilities, np.array([3, 5])).set_index(["actual", "predicted"])
    assert table["count"]["cat", "cat"] == 1
    assert table["count"]["dog", "dog"] == table["count"]["dog", "cat"] == 0.5
    assert table["count"].sum() == 2


def test_weights_picture_shows_signs_and_grey_for_nothing() -> None:
    picture = np.asarray(results.weights_picture(outcome(0.5)))
    assert (picture[1:33, 1:33] == 255).all()  # all weights positive
    nothing = results.weights_picture(outcome(0.0))
    assert (np.asarray(nothing)[1:33, 1:33] == 128).all()
    assert nothing.size == (10 * 33 + 1, 2 * 33 + 1)  # 11 units in rows of 10


def test_examples_picture_puts_the_images_side_by_side() -> None:
    images = np.zeros((results.EXAMPLES, 3072), np.uint8)
    images[1, :1024] = 200  # the second is red
    picture = np.asarray(results.examples_picture(images))
    assert picture.shape == (32, 32 * results.EXAMPLES, 3)
    assert (picture[:, 32:64] == [200, 0, 0]).all()
    assert picture.sum() == 200 * 1024


def test_every_experiment_has_the_same_keys_all_finite(project: Path) -> None:
    params = tiny_settings()
    params["experiments"]["diverging"] = {"learning_rate_max": 1e6}
    write_params(params)
    found = {}
    for name in params["experiments"]:
        train.run(name)
        text = Path(f"metrics/train/{name}.json").read_text()
        found[name] = json.loads(text)
        assert list(found[name]) == sorted(found[name])
        assert np.isfinite(list(found[name].values())).all()
        curves = pd.read_csv(f"plots/train/{name}.csv")
        assert len(curves) == 4
        assert np.isfinite(curves.to_numpy()).all()
    assert found["plain"].keys() == found["bn"].keys() == found["diverging"].keys()
    assert found["diverging"]["diverged"] == 2
    assert found["diverging"]["test_accuracy"] == 0.1
    assert found["plain"]["diverged"] == 0
