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

    def __init__(
        self, mean: NDArray[np.float64], deviation: NDArray[np.float64], dtype: type = np.float32
    ) -> None:
        self.scale: Array = np.array([mean, 1 / deviation]).astype(dtype)  # (2, d)
        self.out = Buffer(len(mean), self.scale.dtype)

    def gather(self, images: NDArray[np.uint8], rows: Labels) -> Array:
        """The images (N, d) at `rows` (n,), normalised: (n, d), valid until the next call."""
        out = self.out(len(rows))
        padded = self.out.padded(len(rows))
        if two_threads(out.size * NUMBER):
            at = cut(len(rows))
            one = images, rows[:at], self.scale, padded[:at]
            both(_gather, one, (images, rows[at:], self.scale, padded[at:]))
        else:
            _gather(images, rows, self.scale, padded)
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
        super().__init__(dataset.mean, dataset.deviation)
        self.flip, self.shift, self.generator = flip, shift, generator

    def gather(self, images: NDArray[np.uint8], rows: Labels) -> Array:
        """The images (N, 3072) at `rows` (n,), moved and normalised; valid until the next call."""
        out = self.out(len(rows))
        moves = self.generator.integers(-self.shift, self.shift + 1, (2, len(rows)))
        flipped = self.generator.integers(0, 2, len(rows)) * self.flip
        _gather_moved(images, rows, moves, flipped, self.scale, self.out.padded(len(rows)))
        return out


@compiled
def _gather(images: NDArray[Any], rows: Labels, scale: Array, out: Array) -> None:
    kind, mean, inverse = out.dtype.type, scale[0], scale[1]
    for i in range(rows.size):
        image, normalised = images[rows[i]], out[i]
        for j in range(mean.size):
            normalised[j] = (kind(image[j]) - mean[j]) * inverse[j]


@compiled
def _gather_moved(
    images: NDArray[Any], rows: Labels, moves: Labels, flipped: Labels, scale: Array, out: Array
) -> None:
    """moves (2, n): pixels down and to the right."""
    kind, mean, inverse, size = out.dtype.type, scale[0], scale[1], scale.shape[1]
    wide = np.zeros(3 * size, images.dtype)  # with the image in its middle, so that none leaves it
    for i in range(rows.size):
        normalised, down, right = out[i], moves[0, i], moves[1, i]
        _copy(images[rows[i]], flipped[i], wide[size : 2 * size])
        start = size - down * SIDE - right
        moved = wide[start : start + size]  # at an edge pixels of the row or plane beside it
        for j in range(size):
            normalised[j] = (kind(moved[j]) - mean[j]) * inverse[j]
        for row in range(size // SIDE):
            outside = not 0 <= row % SIDE - down < SIDE
            for x in range(SIDE if outside else right):
                normalised[row * SIDE + x] = 0
            for x in range(SIDE + right, SIDE):
                normalised[row * SIDE + x] = 0


@compiled
def _copy(image: NDArray[Any], flipped: int, copy: NDArray[Any]) -> None:
    if not flipped:
        for j in range(image.size):
            copy[j] = image[j]
        return
    for row in range(image.size // SIDE):
        for c in range(SIDE):
            copy[row * SIDE + c] = image[row * SIDE + SIDE - 1 - c]
