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
    """Row r, column c of the output is row r - down, column c - right of the (flipped) image."""
    line = np.empty(SIDE, images.dtype)
    for i in range(rows.size):
        first, last = max(right[i], 0), SIDE + min(right[i], 0)  # columns that the image reaches
        for row in range(out.shape[1] // SIDE):  # of the three planes, one below the other
            target = row * SIDE
            source = row % SIDE - down[i]
            if source < 0 or source >= SIDE:
                out[i, target : target + SIDE] = 0
                continue
            start = target - down[i] * SIDE
            for c in range(SIDE):
                line[c] = images[rows[i], start + (SIDE - 1 - c if flipped[i] else c)]
            _place(line, first, last, right[i], target, mean, inverse, out[i])


@compiled
def _place(
    line: NDArray[Any],
    first: int,
    last: int,
    right: int,
    target: int,
    mean: Array,
    inverse: Array,
    out: Array,
) -> None:
    """A line of an image, normalised, in the columns `first` to `last`, and 0 elsewhere."""
    kind = out.dtype.type
    out[target : target + first] = 0
    for c in range(first, last):
        j = target + c
        out[j] = (kind(line[c - right]) - mean[j]) * inverse[j]
    out[target + last : target + SIDE] = 0
