"""The images that `preprocess` wrote: 8-bit, memory-mapped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klayer.errors import KlayerError

PROCESSED = Path("data/processed")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CHUNK = 250  # images measured at once: the sum of their squares fits into 32 bits
PIXELS = 3072  # 3 colour planes of 32 rows of 32 pixels


@dataclass(frozen=True)
class Split:
    """A part of the data."""

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
    """The three parts, mean and deviation of the training images, (3072,) each, and class names."""

    train: Split
    validation: Split
    test: Split
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    classes: tuple[str, ...] = CLASSES


def measure(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (d,) of each feature of images (N, d), N > 0.

    The sums are of whole numbers, hence exact and the same everywhere. A feature that never
    changes gets the deviation 1, so that normalising makes it 0 rather than not a number.
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
    """Maps the images of `preprocess` into memory, and reads the rest.

    Raises KlayerError, which names the file, when one is missing, damaged or of another shape.
    """
    folder = Path(folder)
    train, validation, test = (_split(folder, part) for part in ("train", "validation", "test"))
    mean = _load(folder / "mean.npy", (PIXELS,), np.float64)
    deviation = _load(folder / "deviation.npy", (PIXELS,), np.float64)
    path = folder / "classes.json"
    try:
        classes = tuple(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise _fault(path, error) from None
    return Dataset(train, validation, test, mean, deviation, classes)


def _split(folder: Path, part: str) -> Split:
    images = _load(folder / f"{part}_images.npy", (None, PIXELS), np.uint8, mapped=True)
    return Split(images, _load(folder / f"{part}_labels.npy", (len(images),), np.uint8))


def _load(
    path: Path, shape: tuple[int | None, ...], dtype: type[np.generic], mapped: bool = False
) -> NDArray[Any]:
    """The array of a file, with this shape; None stands for any length but 0."""
    try:
        array = np.asarray(np.load(path, mmap_mode="r" if mapped else None))
    except (OSError, ValueError, EOFError) as error:
        raise _fault(path, error) from None
    right = tuple(n or length for n, length in zip(shape, array.shape, strict=False))
    if array.shape != right or len(right) != len(shape) or not len(array) or array.dtype != dtype:
        raise _fault(path, f"{array.shape} of {array.dtype}, not {shape} of {np.dtype(dtype)}")
    return array


def _fault(path: Path, reason: object) -> KlayerError:
    what = "is missing" if isinstance(reason, FileNotFoundError) else f"is damaged ({reason})"
    return KlayerError(f"{path} {what}: run `dvc repro preprocess` in the project's folder")
