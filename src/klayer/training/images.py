"""Reads 8-bit images as normalised numbers; of training images flips and shifts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import Dataset
from klayer.kernels.loops import both, compiled, cut, two_threads
from klayer.networks.layer import Array, Buffer, Labels

SIDE = 32  # pixels; an image is three planes of SIDE rows
NUMBER = 10  # multiply-adds in the time that one number takes, from a random place in memory


class Normaliser:
    """(image - mean) / deviation, feature by feature, into memory that is used again."""

    def __init__(self, dataset: Dataset, dtype: type = np.float32) -> None:
        self.mean: Array = dataset.mean.astype(dtype)  # (d,)
        self.inverse: Array = (1 / dataset.deviation).astype(dtype)  # (d,)
        self.out = Buffer(len(self.mean), self.mean.dtype)

    def gather(self, images: NDArray[np.uint8], rows: Labels) -> Array:
        """The images (N, d) at `rows` (n,), normalised: (n, d), valid until the next call."""
        out = self.out(len(rows))
        padded, scale = self.out.padded(len(rows)), (self.mean, self.inverse)
        if two_threads(out.size * NUMBER):
            at = cut(len(rows))
            one = images, rows[:at], *scale, padded[:at]
            both(_gather, one, (images, rows[at:], *scale, padded[at:]))
        else:
            _gather(images, rows, *scale, padded)
        return out


class Augmenter(Normaliser):
    """Shows each image as it would be after a flip and a shift, drawn each time.

    With `flip` left and right change places for half of the images; `shift` is the largest number
    of pixels, in either direction, by which rows and columns are moved. What comes in at the edges
    is the mean image, 0: Krizhevsky et al. (2012), He et al. (2016), with 4 pixels.
    """

    def __init__(
        self, dataset: Dataset, flip: bool, shift: int, generator: np.random.Generator
    ) -> None:
        super().__init__(dataset)
        self.flip, self.shift, self.generator = flip, shift, generator

    def gather(self, images: NDArray[np.uint8], rows: Labels) -> Array:
        """The images (N, 3072) at `rows` (n,), moved and normalised; valid until the next call."""
        out = self.out(len(rows))
        down, right = self.generator.integers(-self.shift, self.shift + 1, (2, len(rows)))
        flipped = self.generator.integers(0, 2, len(rows)) * self.flip
        moved = self.out.padded(len(rows))
        _gather_moved(images, rows, down, right, flipped, self.mean, self.inverse, moved)
        return out


@compiled
def _gather(images: NDArray[Any], rows: Labels, mean: Array, inverse: Array, out: Array) -> None:
    kind = out.dtype.type
    for i in range(rows.size):
        image, normalised = images[rows[i]], out[i]
        for j in range(mean.size):
            normalised[j] = (kind(image[j]) - mean[j]) * inverse[j]


@compiled
def _gather_moved(
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
        for row in range(size // SIDE):
            y = row % SIDE
            outside = y < down[i] or y >= SIDE + down[i]
            for x in range(SIDE):
                if outside or x < right[i] or x >= SIDE + right[i]:
                    normalised[row * SIDE + x] = kind(0)


@compiled
def _copy(image: NDArray[Any], flipped: int, copy: NDArray[Any]) -> None:
    if not flipped:
        for j in range(image.size):
            copy[j] = image[j]
        return
    for row in range(image.size // SIDE):
        for c in range(SIDE):
            copy[row * SIDE + c] = image[row * SIDE + SIDE - 1 - c]
