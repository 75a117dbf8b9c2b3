"""Turns the outcomes of several seeds into the files of a run: metrics, tables, networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from klayer.data.dataset import CLASSES, open_dataset
from klayer.files import write_metrics, write_picture, write_table
from klayer.training.job import Arrays, Outcome
from klayer.training.models import parameters_sha256, save_networks
from klayer.training.settings import Training

TILES = 10  # units in a row of the picture of the weights
MARGIN = 0.01  # nats; a loss that is not so far below that of a guess tells that nothing is learnt


def _final(outcomes: Sequence[Outcome]) -> Arrays:
    return {n: np.concatenate([o.final[n] for o in outcomes]) for n in outcomes[0].final}


def summary(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """What people compare: the same few numbers for every run, means over the seeds.

    test_accuracy_std is the sample standard deviation over the seeds (0 for one), failed counts the
    networks that diverged or learnt nothing.
    """
    final = _final(outcomes)
    return {
        "test_accuracy": float(final["test_accuracy"].mean()),
        "test_accuracy_std": deviation(final["test_accuracy"]),
        "val_acc": float(final["validation_accuracy"].mean()),
        "train_acc": float(final["train_accuracy"].mean()),
        "failed": int((~learnt(final)).sum()),
    }


def learnt(final: Arrays) -> NDArray[np.bool_]:
    """(M,) which networks have not diverged and have a training loss clearly below a guess's."""
    better = final["train_loss"] <= np.log(len(CLASSES)) - MARGIN
    return np.asarray((final["diverged_at"] < 0) & better)


def deviation(values: NDArray[np.floating]) -> float:
    """Sample standard deviation; 0 for a single value."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def curves(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each point: step, learning_rate, and each measure's mean and std over the seeds."""
    first = outcomes[0].history
    table = {"step": first["step"], "learning_rate": first["learning_rate"]}
    usual = [f"{p}_{m}" for p in ("train", "validation") for m in ("cost", "loss", "accuracy")]
    for name in dict.fromkeys([*usual, *(name for name in first if name not in table)]):
        values = np.concatenate([o.history[name] for o in outcomes], axis=1)  # (P, seeds)
        table[name] = values.mean(axis=1)
        table[f"{name}_std"] = np.array([deviation(row) for row in values])
    return pd.DataFrame(table)


def seeds_table(outcomes: Sequence[Outcome], seeds: Sequence[int]) -> pd.DataFrame:
    """A row for each seed: all its final measures, and what tells its network from any other.

    diverged_at is the step, -1 for a network that did not; learnt is 1 or 0; parameters_sha256 as
    `klayer.training.models.parameters_sha256` says.
    """
    final = _final(outcomes)
    about = {
        "learnt": learnt(final).astype(int),
        "parameters_sha256": parameters_sha256(parameters(outcomes)),
    }
    return pd.DataFrame({"seed": seeds, **final, **about})


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


def _predictions(outcomes: Sequence[Outcome], name: str) -> NDArray[np.float64]:
    of_each = np.concatenate([o.predictions[name] for o in outcomes])
    return np.asarray(of_each.mean(axis=0, dtype=np.float64))


def confusion_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each actual and predicted class: how many test images, the mean over networks."""
    counts = _predictions(outcomes, "confusion")  # (C, C)
    rows = [(a, p, counts[i, j]) for i, a in enumerate(CLASSES) for j, p in enumerate(CLASSES)]
    return pd.DataFrame(rows, columns=["actual", "predicted", "count"])


def examples_table(outcomes: Sequence[Outcome], labels: NDArray[np.uint8]) -> pd.DataFrame:
    """A row for each of the first test images and each class: probability, mean over networks."""
    of_images = _predictions(outcomes, "examples")  # (12, C)
    rows = [
        (image, CLASSES[label], name, probability)
        for image, (label, of_image) in enumerate(zip(labels, of_images, strict=False))
        for name, probability in zip(CLASSES, of_image, strict=True)
    ]
    return pd.DataFrame(rows, columns=["image", "actual", "class", "probability"])


def write_run(name: str, training: Training, outcomes: Sequence[Outcome]) -> None:
    """Writes all files of a run: metrics, curves, tables, pictures and the trained networks.

    metrics/train/NAME.json, plots/train/NAME.csv, plots/seeds/NAME.csv, in plots/runs/NAME
    layers.csv, confusion.csv, examples.csv and weights.png, and data/models/NAME.safetensors.
    Raises KlayerError when one cannot be written.
    """
    dataset = open_dataset()
    tables = {
        f"train/{name}": curves(outcomes),
        f"seeds/{name}": seeds_table(outcomes, training.seeds),
        f"runs/{name}/layers": layers_table(outcomes),
        f"runs/{name}/confusion": confusion_table(outcomes),
        f"runs/{name}/examples": examples_table(outcomes, dataset.test.labels),
    }
    for kind, table in tables.items():
        write_table(Path(f"plots/{kind}.csv"), table)
    write_picture(Path(f"plots/runs/{name}/weights.png"), weights_picture(outcomes[0]))
    path = Path(f"data/models/{name}.safetensors")
    save_networks(path, training, parameters(outcomes), dataset)
    write_metrics(Path(f"metrics/train/{name}.json"), summary(outcomes))
