"""Stage `check_gradients`: analytic against numerical gradients on a few real images."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from klayer.data.dataset import Dataset, open_dataset
from klayer.errors import KlayerError
from klayer.files import write_metrics, write_table
from klayer.networks.gradient_check import check_gradients
from klayer.networks.layer import Array, Labels
from klayer.networks.network import Architecture
from klayer.params import of_stage
from klayer.settings import CheckGradients


def run() -> None:
    """Writes plots/check_gradients.csv, and metrics/check_gradients.json with the worst error.

    Raises KlayerError, which names layer and parameter, when an error exceeds the tolerance.
    """
    settings, dataset = of_stage("check_gradients", CheckGradients), open_dataset()
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
            f"{worst['relative']:.1e}, allowed are {settings.tolerance:.0e}, and rounding may do "
            f"{worst['rounding']:.0e}: look at its backward pass, or at check_gradients.tolerance"
        )
    write_table(Path("plots/check_gradients.csv"), table)
    write_metrics(Path("metrics/check_gradients.json"), {"worst": float(worst["relative"])})
    checked = table["entries"].sum()
    print(f"{checked:,} gradients agree: relative errors up to {worst['relative']:.1e}")


def _few_images(settings: CheckGradients, dataset: Dataset) -> tuple[Array, Labels]:
    """The first training images, reduced to evenly spread features, normalised in float64."""
    few = dataset.train.head(settings.images)
    features = np.linspace(0, len(dataset.mean) - 1, settings.features).astype(int)
    images = few.images[:, features].astype(np.float64)
    return (images - dataset.mean[features]) / dataset.deviation[features], few.labels
