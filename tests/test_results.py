"""Outcomes become metrics, tables and pictures: small cases worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import klayer
from conftest import tiny_settings, write_settings
from klayer.stages import train
from klayer.training import results
from klayer.training.job import MEASURES, Outcome
from klayer.training.models import parameters_sha256

PARTS = ("train", "validation", "test")
METRICS = ["failed", "test_accuracy", "test_accuracy_std", "train_acc", "val_acc"]
CHANCE = float(np.log(10))


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
    outcomes = [outcome(0.4), outcome(0.6), outcome(0.1, CHANCE, 7), outcome(0.1, CHANCE)]
    metrics = results.summary(outcomes)
    assert sorted(metrics) == METRICS
    assert metrics["failed"] == 2  # one diverged, one learnt nothing
    for name in ("test_accuracy", "val_acc", "train_acc"):
        assert metrics[name] == pytest.approx(0.3)
    assert metrics["test_accuracy_std"] == pytest.approx(np.std([0.4, 0.6, 0.1, 0.1], ddof=1))


def test_each_metric_is_of_its_own_part() -> None:
    one = outcome(0.0)
    for part, accuracy in zip(PARTS, (0.7, 0.6, 0.5), strict=True):
        one.final[f"{part}_accuracy"] = np.array([accuracy])
    metrics = results.summary([one])
    shown = [metrics[name] for name in ("train_acc", "val_acc", "test_accuracy")]
    assert shown == [0.7, 0.6, 0.5]


@pytest.mark.parametrize(
    ("loss", "diverged", "learnt"),
    [(1.0, -1, 1), (CHANCE, -1, 0), (CHANCE - 0.009, -1, 0), (CHANCE - 0.011, -1, 1), (1.0, 3, 0)],
)
def test_which_networks_have_learnt(loss: float, diverged: int, learnt: int) -> None:
    table = results.seeds_table([outcome(0.5, loss, diverged)], [1])
    assert table["learnt"].tolist() == [learnt]
    assert results.summary([outcome(0.5, loss, diverged)])["failed"] == 1 - learnt


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


def predicting(cats: int, probability: float) -> Outcome:
    """Of four test images, all dogs, so many are called cats, the others dogs."""
    confusion = np.zeros((1, 10, 10), int)
    confusion[0, 5, 3], confusion[0, 5, 5] = cats, 4 - cats
    examples = np.zeros((1, 2, 10), np.float32)
    examples[0, :, 3], examples[0, :, 5] = probability, 1 - probability
    return Outcome(predictions={"confusion": confusion, "examples": examples})


def test_predictions_are_means_over_networks() -> None:
    outcomes = [predicting(1, 0.25), predicting(2, 0.75)]
    counts = results.confusion_table(outcomes).set_index(["actual", "predicted"])["count"]
    assert counts["dog", "cat"] == 1.5
    assert counts["dog", "dog"] == 2.5
    assert counts.sum() == 4
    table = results.examples_table(outcomes, np.array([5, 5, 5, 5], np.uint8))
    assert table["image"].tolist() == [0] * 10 + [1] * 10
    assert set(table["actual"]) == {"dog"}
    of_first = table[table["image"] == 0].set_index("class")["probability"]
    assert of_first["cat"] == of_first["dog"] == 0.5
    assert of_first.sum() == 1


def test_weights_picture_shows_signs_and_grey_for_nothing() -> None:
    picture = np.asarray(results.weights_picture(outcome(0.5)))
    assert (picture[1:33, 1:33] == 255).all()  # all weights positive
    nothing = results.weights_picture(outcome(0.0))
    assert (np.asarray(nothing)[1:33, 1:33] == 128).all()
    assert nothing.size == (10 * 33 + 1, 2 * 33 + 1)  # 11 units in rows of 10


def test_every_run_has_the_same_files_and_keys_all_finite(project: Path) -> None:
    params = tiny_settings()
    params["experiments"]["diverging"] = {"learning_rate_max": 1e6, "l2": 0}
    write_settings(params)
    found, more = {}, ["confusion.csv", "examples.csv", "layers.csv", "weights.png"]
    for name in params["experiments"]:
        train.run(name)
        found[name] = json.loads(Path(f"metrics/train/{name}.json").read_text())
        assert list(found[name]) == METRICS
        assert np.isfinite(list(found[name].values())).all()
        curves = pd.read_csv(f"plots/train/{name}.csv")
        assert curves["step"].tolist() == [10, 20, 30, 40]
        assert np.isfinite(curves.to_numpy()).all()
        assert Path(f"plots/seeds/{name}.csv").is_file()
        assert sorted(path.name for path in Path(f"plots/runs/{name}").iterdir()) == more
    assert found["diverging"]["failed"] == 2
    assert found["diverging"]["test_accuracy"] == 0.1
    assert found["plain"]["failed"] == 0


def test_metrics_and_networks_are_those_of_the_rows(project: Path) -> None:
    train.run("bn")
    rows = pd.read_csv("plots/seeds/bn.csv")
    metrics = json.loads(Path("metrics/train/bn.json").read_text())
    assert rows["seed"].tolist() == [1, 2]
    assert metrics["test_accuracy"] == pytest.approx(rows["test_accuracy"].mean())
    assert metrics["val_acc"] == pytest.approx(rows["validation_accuracy"].mean())
    networks = klayer.load_networks("data/models/bn.safetensors")
    assert parameters_sha256(networks.parameters.named()) == rows["parameters_sha256"].tolist()
    confusion = pd.read_csv("plots/runs/bn/confusion.csv")
    right = confusion[confusion["actual"] == confusion["predicted"]]["count"].sum()
    assert confusion["count"].sum() == 100  # every test image once
    assert right / 100 == pytest.approx(metrics["test_accuracy"])
    examples = pd.read_csv("plots/runs/bn/examples.csv")
    test = np.load("data/processed/test_images.npy")[:12]
    expected = networks.probabilities(test).mean(axis=1)
    np.testing.assert_allclose(examples["probability"], expected.ravel(), rtol=1e-4, atol=1e-7)
