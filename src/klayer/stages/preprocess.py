"""Stage `preprocess`: reads or makes the images, divides them, computes mean and deviation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from klayer.data.cifar10 import FOLDER, MissingFilesError, decode, read
from klayer.data.dataset import BATCH, PROCESSED, measure
from klayer.data.synthetic import NAMES, synthetic_images
from klayer.errors import KlayerError
from klayer.files import whole_file, write_metrics, write_picture, write_text
from klayer.params import read_settings, stage_settings
from klayer.settings import SYNTHETIC, DataConfig

EXAMPLES = 12  # test images in plots/examples.png, side by side


def run() -> None:
    """Writes data/processed, metrics/data.json and plots/examples.png.

    Raises KlayerError when a file of CIFAR-10 is missing, damaged, or has not the SHA-256 of
    params.yaml.
    """
    data = stage_settings("data", DataConfig, **read_settings("mirrors"))
    synthetic = data.source == SYNTHETIC
    if synthetic:
        images, classes = synthetic_images(data.synthetic_seed), NAMES
    else:
        try:
            images, classes = decode(read(FOLDER, data.digests))
        except MissingFilesError as error:
            raise KlayerError(
                f"{FOLDER} {error}: move other files of that name away, then run `dvc repro "
                "--force download`"
            ) from None
    train = images.part(data.validation, 5 * BATCH - data.validation)
    test = images.part(5 * BATCH, BATCH)
    splits = {"train": train, "validation": images.head(data.validation), "test": test}
    for part, split in splits.items():
        _write(f"{part}_images", split.images)
        _write(f"{part}_labels", split.labels)
    mean, deviation = measure(train.images)
    _write("mean", mean)
    _write("deviation", deviation)
    write_text(PROCESSED / "classes.json", json.dumps(classes) + "\n")
    write_metrics(Path("metrics/data.json"), {"synthetic": int(synthetic)})
    planes = test.images[:EXAMPLES].reshape(-1, 3, 32, 32)
    row = planes.transpose(2, 0, 3, 1).reshape(32, -1, 3)  # pixel row, image, column, colour
    write_picture(Path("plots/examples.png"), Image.fromarray(row))


def _write(name: str, values: NDArray[np.generic]) -> None:
    with whole_file(PROCESSED / f"{name}.npy") as partial, partial.open("wb") as file:
        np.save(file, values)
