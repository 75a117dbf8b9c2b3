"""Reads the images from the archive, divides them, and measures the training images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from klayer import params
from klayer.data.archive import read_archive
from klayer.data.dataset import PROCESSED, Split
from klayer.data.sources import ARCHIVE, SYNTHETIC, DataConfig, sha256
from klayer.errors import KlayerError
from klayer.files import whole_file, write_metrics

METRICS = Path("metrics/data.json")
CHUNK = 1000  # images measured at once


def run() -> None:
    """Writes data/processed and metrics/data.json from data/archive.tar.

    Raises KlayerError when the archive is missing, not one of data.archives, or not sound.
    """
    data = params.section(params.read(), "data", DataConfig)
    name = _archive_name(data)
    training, test = read_archive(ARCHIVE)
    splits = {
        "train": Split(training.images[data.validation :], training.labels[data.validation :]),
        "validation": training.head(data.validation),
        "test": test,
    }
    mean, deviation = measure(splits["train"].images)
    for part, split in splits.items():
        _write(f"{part}_images", split.images)
        _write(f"{part}_labels", split.labels)
    _write("mean", mean)
    _write("deviation", deviation)
    metrics = _describe(splits, mean, deviation)
    flags = {f"archive_{known}": int(known == name) for known in (*data.archives, SYNTHETIC)}
    write_metrics(METRICS, metrics | flags)


def measure(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (d,) of each feature of images (N, d), N > 0.

    The sums are of whole numbers, hence exact and the same everywhere. A feature that never
    changes gets the deviation 1, so that normalising makes it 0 rather than not a number.
    """
    total = np.zeros(images.shape[1], np.int64)
    squares = np.zeros(images.shape[1], np.int64)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].astype(np.uint16)  # 255 * 255 fits
        total += chunk.sum(axis=0, dtype=np.int64)
        squares += (chunk * chunk).sum(axis=0, dtype=np.int64)
    deviation = np.sqrt(len(images) * squares - total**2) / len(images)
    return total / len(images), np.where(deviation == 0, 1.0, deviation)


def _archive_name(data: DataConfig) -> str:
    if not ARCHIVE.is_file():
        raise KlayerError(f"{ARCHIVE} is missing: run `dvc repro download`")
    digest = sha256(ARCHIVE)
    name = data.name_of(digest) or (SYNTHETIC if data.source == SYNTHETIC else None)
    if name is None:
        raise KlayerError(
            f"{ARCHIVE} has the SHA-256 {digest}, which is not in data.archives of params.yaml: "
            "run `dvc repro --force download`"
        )
    return name


def _write(name: str, values: NDArray[np.generic]) -> None:
    with whole_file(PROCESSED / f"{name}.npy") as partial, partial.open("wb") as file:
        np.save(file, values)


def _describe(
    splits: Mapping[str, Split], mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> dict[str, float]:
    counts = np.bincount(splits["train"].labels, minlength=10)
    sizes = {f"{part}_images": len(split) for part, split in splits.items()}
    return {
        **sizes,
        "train_smallest_class": int(counts.min()),
        "train_largest_class": int(counts.max()),
        "pixel_mean": float(mean.mean()),
        "pixel_deviation": float(deviation.mean()),
    }
