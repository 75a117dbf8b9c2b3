"""The images that `preprocess` wrote: 8-bit, memory-mapped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klayer.errors import KlayerError, one_line

PROCESSED = Path("data/processed")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCH = 10_000  # images in a file of CIFAR-10: five are for training, the sixth for tests
CHUNK = 250  # images that are measured at once: the sum of their squares fits into 32 bits
PIXELS = 3072  # 3 colour planes of 32 rows of 32 pixels


@dataclass(frozen=True)
class Split:
    """Images of a part of the data, and their labels."""

    images: NDArray[Any]  # (N, 3072): 8-bit as on disk, or normalised
    labels: NDArray[np.uint8]  # (N,)

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, start: int, count: int) -> Split:
        """`count` images from the one at `start` on."""
        part = slice(start, start + count)
        return Split(self.images[part], self.labels[part])

    def head(self, count: int) -> Split:
        """The first `count` images."""
        return self.part(0, count)


@dataclass(frozen=True)
class Dataset:
    """The three parts, the training images' mean and deviation, (3072,) each, and class names."""

    train: Split
    validation: Split
    test: Split
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    classes: tuple[str, ...] = CLASSES


def measure(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (d,) of each feature of images (N, d), N > 0.

    The sums are of whole numbers, hence exact and the same everywhere. A feature that is always the
    same gets the deviation 1: normalised it is 0, not NaN.
    """
    total = np.zeros(images.shape[1], np.int64)
    squares = np.zeros(images.shape[1], np.int64)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].astype(np.uint32)
        total += chunk.sum(axis=0, dtype=np.uint32)
        squares += (chunk * chunk).sum(axis=0, dtype=np.uint32)
    deviation = np.sqrt(len(images) * squares - total**2) / len(images)
    return total / len(images), np.where(deviation == 0, 1.0, deviation)


def open_dataset(folder: str | Path = PROCESSED) -> Dataset:
    """Opens the files of `preprocess`; images are mapped into memory.

    Raises KlayerError when a file is missing, damaged, or has another shape.
    """
    folder, splits = Path(folder), {}
    try:
        for part in ("train", "validation", "test"):
            images = _load(folder / f"{part}_images.npy", np.uint8, 0, PIXELS)
            labels = _load(folder / f"{part}_labels.npy", np.uint8, len(images))
            splits[part] = Split(images, labels)
        mean = _load(folder / "mean.npy", np.float64, PIXELS)
        deviation = _load(folder / "deviation.npy", np.float64, PIXELS)
        classes = tuple(json.loads((folder / "classes.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, EOFError) as error:
        raise KlayerError(
            f"{folder} does not hold the prepared images ({one_line(error)}): run `dvc repro "
            "preprocess` in the project's folder"
        ) from None
    return Dataset(**splits, mean=mean, deviation=deviation, classes=classes)


def _load(path: Path, dtype: type[np.generic], *shape: int) -> NDArray[Any]:
    """The array of a file; with two axes it is mapped into memory. 0 stands for any length."""
    array = np.asarray(np.load(path, mmap_mode="r" if len(shape) == 2 else None))
    expected = tuple(n or len(array) for n in shape)
    if array.shape != expected or array.dtype != dtype or not array.size:
        raise ValueError(f"{path} is {array.shape} of {array.dtype}")
    return array
