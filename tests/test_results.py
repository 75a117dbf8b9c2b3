"""Outcomes become metrics, tables and pictures: small cases worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import klayer
from conftest import tiny_settings, write_settings
from klayer.data.dataset import CLASSES
from klayer.stages import train
from klayer.training import results
from klayer.training.trainer import Outcome, Row

PARTS = ("train", "validation", "test")
METRICS = ["test_accuracy", "test_accuracy_std", "validation_accuracy"]

MEASURES = ("loss", "accuracy", "cost")


def outcome(accuracy: float, learnt: int = 1) -> Outcome:
    values = {"accuracy": accuracy, "loss": 1.0, "cost": 2.0}
    row: Row = {f"{part}_{name}": values[name] for part in PARTS for name in MEASURES}
    curves = {"step": np.array([5, 10]), "learning_rate": np.array([0.1, 0.2])}
    curves |= {f"{p}_{n}": np.array([0.0, values[n]]) for p in PARTS[:2] for n in values}
    layers = {"step": np.array([0, 9]), "gradient_norm": np.ones((2, 2))}
    layers["score_std"] = np.array([[1.0, 2], [3, 4]]) * accuracy
    return Outcome({"seed": 1, **row, "learnt": learnt}, curves, layers)


def test_summary_by_hand() -> None:
    accuracies, learnt = [0.4, 0.6, 0.1, 0.1], [1, 1, 0, 0]
    table = results.seeds_table([outcome(*of) for of in zip(accuracies, learnt, strict=True)])
    assert table["train_accuracy"].tolist() == accuracies
    metrics = results.summary(table)
    assert sorted(metrics) == METRICS
    for name in ("test_accuracy", "validation_accuracy"):
        assert metrics[name] == pytest.approx(0.3)
    assert metrics["test_accuracy_std"] == pytest.approx(np.std(accuracies, ddof=1))
    one = outcome(0.0)
    one.row |= {f"{p}_accuracy": a for p, a in zip(PARTS, (0.7, 0.6, 0.5), strict=True)}
    metrics = results.summary(results.seeds_table([one]))
    assert [metrics[f"{part}_accuracy"] for part in ("validation", "test")] == [0.6, 0.5]
    assert metrics["test_accuracy_std"] == 0.0


def test_curves_and_layers_are_means_over_seeds() -> None:
    outcomes = [outcome(0.4), outcome(0.6)]
    table = results.curves_table(outcomes)
    np.testing.assert_array_equal(table["step"], [5, 10])
    np.testing.assert_allclose(table["train_accuracy"], [0, 0.5])
    np.testing.assert_allclose(table["validation_accuracy_std"], [0, 0.2 / np.sqrt(2)])
    layers = results.layers_table(outcomes)
    assert layers[["step", "layer"]].to_numpy().tolist() == [[0, 1], [0, 2], [9, 1], [9, 2]]
    np.testing.assert_allclose(layers["score_std"], [0.5, 1, 1.5, 2])


def predicting(cats: int, probability: float) -> Outcome:
    """Of four test images, all dogs, so many are called cats, the others dogs."""
    confusion = np.zeros((10, 10), int)
    confusion[5, 3], confusion[5, 5] = cats, 4 - cats
    examples = np.zeros((2, 10), np.float32)
    examples[:, 3], examples[:, 5] = probability, 1 - probability
    return Outcome(predictions={"confusion": confusion, "examples": examples})


def test_predictions_are_means_over_networks_with_the_names_of_the_data() -> None:
    outcomes = [predicting(1, 0.25), predicting(2, 0.75)]
    names = [f"a {name}" for name in CLASSES]
    table = results.confusion_table(outcomes, names)
    counts = table.set_index(["actual", "predicted"])["count"]
    assert counts["a dog", "a cat"] == 1.5
    assert counts["a dog", "a dog"] == 2.5
    assert counts.sum() == 4
    table = results.examples_table(outcomes, np.array([5, 5, 5, 5], np.uint8), names)
    assert table["image"].tolist() == [0] * 10 + [1] * 10
    assert set(table["actual"]) == {"a dog"}
    first_image = table[table["image"] == 0].set_index("class")["probability"]
    assert first_image["a cat"] == first_image["a dog"] == 0.5
    assert first_image.sum() == 1


def test_weights_picture_shows_signs_and_grey_for_nothing() -> None:
    weights = np.ones((11, 3, 32, 32), np.float32)
    weights[1], weights[2, 0, 5, 7] = 0, -1
    named = {"affine1.weight": weights.reshape(11, 3072)}
    picture = np.asarray(results.weights_picture(named))
    assert picture.shape == (2 * 33 + 1, 10 * 33 + 1, 3)  # 11 units in rows of 10
    first, second, third = (picture[1:33, 1 + 33 * i : 33 + 33 * i] for i in range(3))
    assert (first == 255).all()
    assert (second == 128).all()
    assert third[5, 7].tolist() == [0, 255, 255]  # of red, in the sixth row


def test_every_run_has_the_same_files_and_keys_all_finite(project: Path) -> None:
    params = tiny_settings()
    params["experiments"]["failing"] = {"initialisation": "normal", "sigma": 1e-12}
    write_settings(params)
    metrics, more = {}, ["confusion.csv", "examples.csv", "layers.csv", "weights.png"]
    for name in params["experiments"]:
        train.run(name)
        metrics[name] = json.loads(Path(f"metrics/train/{name}.json").read_text())
        assert list(metrics[name]) == METRICS
        assert np.isfinite(list(metrics[name].values())).all()
        curves = pd.read_csv(f"plots/train/{name}.csv")
        assert curves["step"].tolist() == [10, 20, 30, 40]
        assert np.isfinite(curves.to_numpy()).all()
        assert sorted(path.name for path in Path(f"plots/runs/{name}").iterdir()) == more
    assert pd.read_csv("plots/seeds/failing.csv")["learnt"].tolist() == [0, 0]
    assert pd.read_csv("plots/seeds/plain.csv")["learnt"].tolist() == [1, 1]

    rows = pd.read_csv("plots/seeds/bn.csv")
    assert rows["seed"].tolist() == [1, 2]
    assert metrics["bn"]["test_accuracy"] == pytest.approx(rows["test_accuracy"].mean())
    assert metrics["bn"]["validation_accuracy"] == pytest.approx(rows["validation_accuracy"].mean())
    networks = klayer.load_networks("data/models/bn.safetensors")
    confusion = pd.read_csv("plots/runs/bn/confusion.csv")
    right = confusion[confusion["actual"] == confusion["predicted"]]["count"].sum()
    assert confusion["count"].sum() == 100  # every test image once
    assert right / 100 == pytest.approx(metrics["bn"]["test_accuracy"])
    examples = pd.read_csv("plots/runs/bn/examples.csv")
    probabilities = networks.probabilities(np.load("data/processed/test_images.npy")[:12])
    expected = probabilities.mean(axis=1).ravel()
    np.testing.assert_allclose(examples["probability"], expected, rtol=1e-4, atol=1e-7)
