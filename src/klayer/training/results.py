"""Turns the outcomes of several seeds into the files of a run: metrics, tables, networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from klayer.data.dataset import Dataset
from klayer.files import write_metrics, write_picture, write_table
from klayer.settings import Training
from klayer.training.evaluation import MEASURES
from klayer.training.models import save_networks
from klayer.training.trainer import Arrays, Outcome

TILES = 10  # units in a row of the picture of the weights


def summary(table: pd.DataFrame) -> dict[str, float]:
    """What people compare, of a table of seeds: the same few numbers for every run, means over the
    seeds.

    test_accuracy_std is the sample standard deviation over the seeds (0 for one).
    """
    return {
        "test_accuracy": float(table["test_accuracy"].mean()),
        "test_accuracy_std": deviation(table["test_accuracy"].to_numpy()),
        "validation_accuracy": float(table["validation_accuracy"].mean()),
    }


def deviation(values: NDArray[np.floating]) -> float:
    """Sample standard deviation; 0 for a single value."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def curves_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each point: step, learning_rate, and each measure's mean and std over the seeds."""
    first = outcomes[0].curves
    table = {"step": first["step"], "learning_rate": first["learning_rate"]}
    usual = [f"{part}_{measure}" for part in ("train", "validation") for measure in MEASURES]
    for name in dict.fromkeys([*usual, *(name for name in first if name not in table)]):
        values = np.stack([o.curves[name] for o in outcomes])  # (seeds, P)
        table[name] = values.mean(axis=0)
        table[f"{name}_std"] = np.array([deviation(column) for column in values.T])
    return pd.DataFrame(table)


def seeds_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each network: its seed, all its final measures, and the SHA-256 that tells its
    network from any other.
    """
    return pd.DataFrame([outcome.row for outcome in outcomes])


def layers_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each probed step and layer (from 1): score_std, gradient_norm, means over seeds."""
    steps, names = outcomes[0].layers["step"], ("score_std", "gradient_norm")
    means = {name: np.mean([o.layers[name] for o in outcomes], axis=0) for name in names}  # (Q, L)
    depth = means["score_std"].shape[1]
    table = {"step": np.repeat(steps, depth), "layer": np.tile(range(1, depth + 1), len(steps))}
    return pd.DataFrame(table | {name: values.ravel() for name, values in means.items()})


def weights_picture(network: Arrays) -> Image.Image:
    """The first layer's weights of a network, a tile of 32 x 32 for each unit.

    Each tile is scaled by its own largest weight; grey is 0.
    """
    weights = network["affine1.weight"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    scaled = np.divide(weights, largest, out=np.zeros_like(weights), where=largest > 0)
    tiles = np.round(127.5 + 127.5 * scaled).astype(np.uint8)
    rest = -len(tiles) % TILES
    framed = np.pad(tiles, [(0, rest), (1, 0), (1, 0), (0, 0)], constant_values=255)
    sheet = framed.reshape(-1, TILES, 33, 33, 3).swapaxes(1, 2).reshape(-1, TILES * 33, 3)
    return Image.fromarray(np.pad(sheet, [(0, 1), (0, 1), (0, 0)], constant_values=255))


def _mean(outcomes: Sequence[Outcome], name: str) -> NDArray[np.float64]:
    """Of predictions, over networks."""
    predictions = [outcome.predictions[name] for outcome in outcomes]
    return np.asarray(np.mean(predictions, axis=0, dtype=np.float64))


def confusion_table(outcomes: Sequence[Outcome], classes: Sequence[str]) -> pd.DataFrame:
    """A row for each actual and predicted class: how many test images, the mean over networks."""
    counts, number = _mean(outcomes, "confusion"), len(classes)  # (C, C)
    names = {"actual": np.repeat(classes, number), "predicted": np.tile(classes, number)}
    return pd.DataFrame(names | {"count": counts.ravel()})


def examples_table(
    outcomes: Sequence[Outcome], labels: NDArray[np.uint8], classes: Sequence[str]
) -> pd.DataFrame:
    """A row for each of the first test images and each class: probability, mean over networks."""
    probabilities = _mean(outcomes, "examples")  # (12, C)
    images, number = probabilities.shape
    table = {
        "image": np.repeat(np.arange(images), number),
        "actual": np.repeat(np.array(classes)[labels[:images]], number),
        "class": np.tile(classes, images),
        "probability": probabilities.ravel(),
    }
    return pd.DataFrame(table)


def write_run(name: str, training: Training, outcomes: Sequence[Outcome], dataset: Dataset) -> None:
    """Writes all files of a run: metrics, curves, tables, pictures and the trained networks.

    metrics/train/NAME.json, plots/train/NAME.csv, plots/seeds/NAME.csv, in plots/runs/NAME
    layers.csv, confusion.csv, examples.csv and weights.png, and data/models/NAME.safetensors.
    Raises KlayerError when one cannot be written.
    """
    seeds, networks = seeds_table(outcomes), [outcome.network for outcome in outcomes]
    tables = {
        f"train/{name}": curves_table(outcomes),
        f"seeds/{name}": seeds,
        f"runs/{name}/layers": layers_table(outcomes),
        f"runs/{name}/confusion": confusion_table(outcomes, dataset.classes),
        f"runs/{name}/examples": examples_table(outcomes, dataset.test.labels, dataset.classes),
    }
    for kind, table in tables.items():
        write_table(Path(f"plots/{kind}.csv"), table)
    write_picture(Path(f"plots/runs/{name}/weights.png"), weights_picture(networks[0]))
    save_networks(Path(f"data/models/{name}.safetensors"), training, networks, dataset)
    write_metrics(Path(f"metrics/train/{name}.json"), summary(seeds))
