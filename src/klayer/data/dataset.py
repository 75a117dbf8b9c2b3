"""The images that `preprocess` wrote: 8-bit, memory-mapped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klayer.errors import KlayerError

PROCESSED = Path("data/processed")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PIXELS = 3072  # 3 colour planes of 32 rows of 32 pixels


@dataclass(frozen=True)
class Split:
    """A part of the data."""

    images: NDArray[Any]  # (N, 3072): 8-bit as on disk, or normalised
    labels: NDArray[np.uint8]  # (N,)

    def __len__(self) -> int:
        return len(self.labels)

    def head(self, count: int) -> Split:
        """The first `count` images."""
        return Split(self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class Dataset:
    """The three parts, and the mean and deviation of the training images, (3072,) each."""

    train: Split
    validation: Split
    test: Split
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def open_dataset(folder: Path = PROCESSED) -> Dataset:
    """Maps the files of `preprocess` into memory. Raises KlayerError when one is missing."""
    try:
        train, validation, test = (
            Split(
                np.asarray(np.load(folder / f"{name}_images.npy", mmap_mode="r")),
                np.load(folder / f"{name}_labels.npy"),
            )
            for name in ("train", "validation", "test")
        )
        mean, deviation = (np.load(folder / f"{name}.npy") for name in ("mean", "deviation"))
    except (OSError, ValueError) as error:
        raise KlayerError(
            f"{folder} is not complete ({error}): run `dvc repro preprocess`"
        ) from None
    return Dataset(train, validation, test, mean, deviation)
