"""Random flips and shifts of the training images, made while they are gathered."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import Dataset
from klayer.networks.arrays import Array, Labels
from klayer.networks.compiled import compiled
from klayer.training.normaliser import Normaliser

SIDE = 32  # pixels; an image is three planes of SIDE rows


class Augmenter(Normaliser):
    """Shows each image as it would be after a flip and a shift, drawn anew each time.

    With `flip` left and right change places for half of the images; `shift` is the largest number
    of pixels, in either direction, by which rows and columns are moved. What comes in at the edges
    is the mean image, 0: Krizhevsky et al. (2012), He et al. (2016), with 4 pixels.
    """

    def __init__(
        self,
        dataset: Dataset,
        samples: int,
        flip: bool,
        shift: int,
        generator: np.random.Generator,
        dtype: type = np.float32,
    ) -> None:
        super().__init__(dataset, samples, dtype)
        self.flip, self.shift, self.generator = flip, shift, generator

    def gather(self, images: NDArray[np.uint8], rows: Labels) -> Array:
        """The images (N, 3072) at `rows` (n,), moved and normalised; valid until the next call."""
        out = self.out[: len(rows)]
        down, right = self.generator.integers(-self.shift, self.shift + 1, (2, len(rows)))
        flipped = self.generator.integers(0, 2, len(rows)) * self.flip
        _gather(images, rows, down, right, flipped, self.mean, self.inverse, out)
        return out


@compiled
def _gather(
    images: NDArray[Any],
    rows: Labels,
    down: Labels,
    right: Labels,
    flipped: Labels,
    mean: Array,
    inverse: Array,
    out: Array,
) -> None:
    kind, size = out.dtype.type, mean.size
    wide = np.zeros(3 * size, images.dtype)  # with the image in its middle, so that none leaves it
    for i in range(rows.size):
        normalised = out[i]
        _copy(images[rows[i]], flipped[i], wide[size : 2 * size])
        start = size - down[i] * SIDE - right[i]
        moved = wide[start : start + size]  # at an edge pixels of the row or plane beside it
        for j in range(size):
            normalised[j] = (kind(moved[j]) - mean[j]) * inverse[j]
        _clear(normalised.reshape(-1, SIDE, SIDE), down[i], right[i])


@compiled
def _copy(image: NDArray[Any], flipped: int, copy: NDArray[Any]) -> None:
    if not flipped:
        for j in range(image.size):
            copy[j] = image[j]
        return
    for row in range(image.size // SIDE):
        for c in range(SIDE):
            copy[row * SIDE + c] = image[row * SIDE + SIDE - 1 - c]


@compiled
def _clear(planes: Array, down: int, right: int) -> None:
    """0 where nothing of the image has come, in planes of (rows, columns)."""
    planes[:, : max(down, 0)] = 0
    planes[:, SIDE + min(down, 0) :] = 0
    planes[:, :, : max(right, 0)] = 0
    planes[:, :, SIDE + min(right, 0) :] = 0
