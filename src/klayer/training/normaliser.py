"""Reads 8-bit images as normalised numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import Dataset
from klayer.networks.arrays import Array, Labels
from klayer.networks.compiled import compiled


class Normaliser:
    """(image - mean) / deviation, feature by feature, into an array that is made once."""

    def __init__(self, dataset: Dataset, samples: int, dtype: type = np.float32) -> None:
        self.mean: Array = dataset.mean.astype(dtype)  # (d_in,)
        self.inverse: Array = (1 / dataset.deviation).astype(dtype)  # (d_in,)
        self.out: Array = np.empty((samples, len(self.mean)), dtype)  # (n, d_in)

    def gather(self, images: NDArray[np.uint8], rows: Labels) -> Array:
        """The images (N, d_in) at `rows` (n,), normalised; valid until the next call."""
        out = self.out[: len(rows)]
        _gather(images, rows, self.mean, self.inverse, out)
        return out


@compiled
def _gather(images: NDArray[Any], rows: Labels, mean: Array, inverse: Array, out: Array) -> None:
    kind = out.dtype.type
    for i in range(rows.size):
        image, normalised = images[rows[i]], out[i]
        for j in range(mean.size):
            normalised[j] = (kind(image[j]) - mean[j]) * inverse[j]
