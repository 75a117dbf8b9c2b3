"""Turns the outcomes of several seeds into metrics, tables and a picture of the weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from klayer.data.dataset import CLASSES
from klayer.training.job import MEASURES, Arrays, Outcome

TILES = 10  # units in a row of the picture of the weights
EXAMPLES = 12  # test images that are shown with their probabilities
DEAD = 0.01  # a network has learnt nothing if its loss is not this far below that of a guess


def _final(outcomes: Sequence[Outcome]) -> Arrays:
    return {n: np.concatenate([o.final[n] for o in outcomes]) for n in outcomes[0].final}


def summary(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Mean and standard deviation (with n - 1; 0 for one seed) of each measure over the seeds.

    `diverged` counts the networks that did not stay finite (they count as a guess), `dead` the
    others whose training loss is no better than a guess.
    """
    final = _final(outcomes)
    metrics: dict[str, float] = {}
    for part in ("train", "validation", "test"):
        for measure in MEASURES:
            values = final[f"{part}_{measure}"]
            metrics[f"{part}_{measure}"] = float(values.mean())
            metrics[f"{part}_{measure}_std"] = deviation(values)
    diverged = final["diverged_at"] >= 0
    dead = ~diverged & (final["train_loss"] > np.log(len(CLASSES)) - DEAD)
    counts = {"diverged": int(diverged.sum()), "dead": int(dead.sum()), "seeds": len(diverged)}
    return metrics | counts


def deviation(values: NDArray[np.floating]) -> float:
    """Sample standard deviation; 0 for a single value."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def curves(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each point: step, learning_rate, and each measure's mean and std over the seeds."""
    first = outcomes[0].history
    table = {"step": first["step"], "learning_rate": first["learning_rate"]}
    for part in ("train", "validation"):
        for measure in ("cost", "loss", "accuracy"):
            name = f"{part}_{measure}"
            values = np.concatenate([o.history[name] for o in outcomes], axis=1)  # (P, seeds)
            table[name] = values.mean(axis=1)
            table[f"{name}_std"] = np.array([deviation(row) for row in values])
    return pd.DataFrame(table)


def seeds_table(outcomes: Sequence[Outcome], seeds: Sequence[int]) -> pd.DataFrame:
    """A row for each seed with all its final measures; diverged_at is -1 for one that did not."""
    return pd.DataFrame({"seed": seeds, **_final(outcomes)})


def layers_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each probed step and layer (from 1): score_std, gradient_norm, means over seeds."""
    steps = outcomes[0].layers["step"]
    means = {
        name: np.concatenate([o.layers[name] for o in outcomes], axis=1).mean(axis=1)  # (Q, L)
        for name in ("score_std", "gradient_norm")
    }
    depth = means["score_std"].shape[1]
    layers = np.tile(np.arange(1, depth + 1), len(steps))
    columns = {name: values.ravel() for name, values in means.items()}
    return pd.DataFrame({"step": np.repeat(steps, depth), "layer": layers, **columns})


def weights_picture(outcome: Outcome) -> Image.Image:
    """The first layer's weights of the outcome's first network, a tile of 32 x 32 for each unit.

    Each tile is scaled by its own largest weight; grey is 0.
    """
    weights = outcome.parameters["W1"][0].T.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    scaled = np.divide(weights, largest, out=np.zeros_like(weights), where=largest > 0)
    tiles = np.round(127.5 + 127.5 * scaled).astype(np.uint8)
    rows = -(-len(tiles) // TILES)
    sheet = np.full((rows * 33 + 1, TILES * 33 + 1, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = 33 * (i // TILES) + 1, 33 * (i % TILES) + 1
        sheet[y : y + 32, x : x + 32] = tile
    return Image.fromarray(sheet)


def parameters(outcomes: Sequence[Outcome]) -> Arrays:
    """The trained parameters of all networks by name, with a leading axis of one for each."""
    names = outcomes[0].parameters
    return {name: np.concatenate([o.parameters[name] for o in outcomes]) for name in names}


def confusion(probabilities: NDArray[np.floating], labels: NDArray[np.uint8]) -> pd.DataFrame:
    """A row for each actual and predicted class: how often, as the mean over networks.

    probabilities (N, M, C), labels (N,).
    """
    predicted = probabilities.argmax(axis=2)  # (N, M)
    counts = np.zeros((len(CLASSES), len(CLASSES)))
    np.add.at(counts, (labels[:, np.newaxis], predicted), 1 / predicted.shape[1])
    rows = [(a, p, counts[i, j]) for i, a in enumerate(CLASSES) for j, p in enumerate(CLASSES)]
    return pd.DataFrame(rows, columns=["actual", "predicted", "count"])


def examples_table(probabilities: NDArray[np.floating], labels: NDArray[np.uint8]) -> pd.DataFrame:
    """The probabilities (N, C) of the first few test images, a row for each image and class."""
    rows = [
        (image, CLASSES[labels[image]], name, probabilities[image, i])
        for image in range(EXAMPLES)
        for i, name in enumerate(CLASSES)
    ]
    return pd.DataFrame(rows, columns=["image", "actual", "class", "probability"])


def examples_picture(images: NDArray[np.uint8]) -> Image.Image:
    """The same images (N, 3072) side by side."""
    tiles = images[:EXAMPLES].reshape(-1, 3, 32, 32).transpose(2, 0, 3, 1)  # row, image, column
    return Image.fromarray(np.ascontiguousarray(tiles).reshape(32, -1, 3))
