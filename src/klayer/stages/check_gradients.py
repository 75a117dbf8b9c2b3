"""Stage `check_gradients`: analytic against numerical gradients on a few real images."""

from __future__ import annotations

import runpy
import traceback
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from klayer.data.dataset import Dataset, open_dataset
from klayer.errors import KlayerError
from klayer.files import write_metrics, write_table
from klayer.networks.gradient_check import check_gradients, check_layer
from klayer.networks.layer import Array, Labels, Layer
from klayer.networks.network import Architecture
from klayer.params import stage_settings
from klayer.settings import CheckGradients


def run() -> None:
    """Writes plots/check_gradients.csv, and metrics/check_gradients.json with the worst error.

    Raises KlayerError, which names layer and parameter, when an error exceeds the tolerance.
    """
    settings, dataset = stage_settings("check_gradients", CheckGradients), open_dataset()
    images, labels = _few_images(settings, dataset)
    rows = []
    for hidden, batch_norm, l2 in product(settings.hidden, (False, True), settings.l2):
        block = ("affine", "batch_norm", "relu") if batch_norm else ("affine", "relu")
        architecture = Architecture(settings.features, hidden, len(dataset.classes), block)
        generator = np.random.default_rng(settings.seed)
        name = f"{len(hidden) + 1} layers{', BN' if batch_norm else ''}"
        errors = check_gradients(architecture, images, labels, l2, generator)
        rows += [{"network": name, "l2": l2, **vars(error)} for error in errors]
    table = pd.DataFrame(rows)
    worst = table.iloc[table["relative"].to_numpy().argmax()]  # the first that is not a number
    if not worst["relative"] <= settings.tolerance:
        raise KlayerError(
            f"the gradient of {worst['parameter']} in layer {worst['layer']} is wrong "
            f"({worst['network']}, l2 {worst['l2']}): its relative error is "
            f"{worst['relative']:.1e}, the tolerance is {settings.tolerance:.0e}, and rounding may "
            f"cause {worst['rounding']:.0e}: correct its backward pass, or change "
            "check_gradients.tolerance"
        )
    write_table(Path("plots/check_gradients.csv"), table)
    write_metrics(Path("metrics/check_gradients.json"), {"worst": float(worst["relative"])})
    checked = table["entries"].sum()
    print(f"{checked:,} gradients agree: relative errors up to {worst['relative']:.1e}")


def _few_images(settings: CheckGradients, dataset: Dataset) -> tuple[Array, Labels]:
    """The first training images, reduced to evenly spread features, normalised in float64."""
    split = dataset.train.head(settings.images)
    features = np.linspace(0, len(dataset.mean) - 1, settings.features).astype(int)
    images = split.images[:, features].astype(np.float64)
    return (images - dataset.mean[features]) / dataset.deviation[features], split.labels


def run_layer(address: str) -> None:
    """`klayer check-gradients --layer FILE:CLASS`: prints a sentence for each derivative of a
    user's layer.

    Raises KlayerError when one is wrong, and when the layer cannot be loaded or run.
    """
    file, _, name = address.rpartition(":")
    if not Path(file).is_file():
        raise KlayerError(
            f"--layer {address}: give FILE:CLASS, such as my_layers.py:BatchNorm, of a file that "
            "exists"
        )
    try:
        kind = runpy.run_path(file).get(name)
        if not (isinstance(kind, type) and issubclass(kind, Layer)):
            raise KlayerError(f"{file} has no class {name} that is a klayer.networks.layer.Layer")
        derivatives = check_layer(kind(), np.random.default_rng(1))
    except KlayerError:
        raise
    except NotImplementedError as error:
        raise KlayerError(f"{file}: {error or 'a gap'} is not filled yet") from None
    except Exception as error:  # in the user's code: the last line in their file is named
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f", line {frame.lineno}" for frame in frames if frame.filename == file] or [""]
        raise KlayerError(f"{file}{lines[-1]}: {type(error).__name__}: {error}") from None
    for derivative in derivatives:
        print(derivative.sentence)
    if wrong := [derivative.name for derivative in derivatives if not derivative.is_right]:
        raise KlayerError(f"{address}: wrong gradient of {', '.join(wrong)}")
    print(f"{address}: all gradients are right")
