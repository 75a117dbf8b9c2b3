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
STATISTICS = ("mean", "deviation")
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


def open_dataset(folder: str | Path = PROCESSED) -> Dataset:
    """Maps the images of `preprocess` into memory, and reads the rest.

    Raises KlayerError, which names the file, when one is missing, damaged, of another shape
    or has impossible content.
    """
    folder = Path(folder)
    train, validation, test = (_split(folder, part) for part in ("train", "validation", "test"))
    mean, deviation = (_load(folder / f"{n}.npy", (PIXELS,), np.float64) for n in STATISTICS)
    if not (np.isfinite(mean + deviation).all() and deviation.min() > 0):
        raise _fault(folder, "has a mean or a deviation that images cannot have")
    return Dataset(train, validation, test, mean, deviation, _classes(folder / "classes.json"))


def class_names(names: Any) -> tuple[str, ...]:
    """The names, checked. Raises ValueError unless they are ten different texts."""
    texts = [n for n in names if isinstance(n, str) and n.strip() and n.isprintable()]
    if not len(names) == len(texts) == len(set(texts)) == 10:
        raise ValueError(f"the names of the classes are {names}, not 10 different ones in one line")
    return tuple(texts)


def _split(folder: Path, part: str) -> Split:
    images = _load(folder / f"{part}_images.npy", (None, PIXELS), np.uint8, mapped=True)
    path = folder / f"{part}_labels.npy"
    labels = _load(path, (len(images),), np.uint8)
    if labels.max() > 9:
        raise _fault(path, f"has the label {labels.max()}, the largest is 9")
    return Split(images, labels)


def _classes(path: Path) -> tuple[str, ...]:
    try:
        return class_names(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise _unread(path, error) from None


def _load(
    path: Path, shape: tuple[int | None, ...], dtype: type[np.generic], mapped: bool = False
) -> NDArray[Any]:
    """The array of a file, with this shape; None stands for any length but 0."""
    try:
        array = np.asarray(np.load(path, mmap_mode="r" if mapped else None))
    except (OSError, ValueError, EOFError) as error:
        raise _unread(path, error) from None
    right = tuple(wanted or n for n, wanted in zip(array.shape, shape, strict=False))
    if array.shape != right or len(right) != len(shape) or not len(array) or array.dtype != dtype:
        wanted = str(shape).replace("None", "N")
        found = f"has the shape {array.shape} of {array.dtype}"
        raise _fault(path, f"{found}, it has to be {wanted} of {np.dtype(dtype)}")
    return array


def _unread(path: Path, error: Exception) -> KlayerError:
    if isinstance(error, FileNotFoundError):
        return _fault(path, "is missing")
    return _fault(path, f"cannot be read ({getattr(error, 'strerror', None) or 'damaged'})")


def _fault(path: Path, what: str) -> KlayerError:
    return KlayerError(f"{path} {what}: run `dvc repro preprocess` in the project's folder")
