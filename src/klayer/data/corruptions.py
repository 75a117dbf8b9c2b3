"""Corrupted test images, as another camera or other light would give them.

After Hendrycks and Dietterich (2019), "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations". All arithmetic is on whole numbers, the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import Split

Wide = NDArray[np.int16]  # images (N, 3072), with room for values outside 0 to 255

BRIGHTER = 64  # of 255
NOISE, DRAWS, SEED = 22, 4, 1  # a sum of 4 whole numbers from -22 to 22: a deviation of 26
PIXELS_MOVED = 2


def brightness(images: Wide) -> Wide:
    """A quarter of the scale brighter."""
    return images + np.int16(BRIGHTER)


def contrast(images: Wide) -> Wide:
    """Half as far from the middle of the scale."""
    return np.asarray((images + np.int16(128)) // 2, np.int16)


def noise(images: Wide) -> Wide:
    """Nearly normal noise with a deviation of 26, independent for each colour of each pixel."""
    noisy, generator = images.copy(), np.random.default_rng(SEED)
    for _ in range(DRAWS):
        noisy += generator.integers(-NOISE, NOISE, images.shape, np.int16, endpoint=True)
    return noisy


def translation(images: Wide) -> Wide:
    """2 pixels to the right and down, with the edges repeated."""
    planes = images.reshape(-1, 3, 32, 32)
    room = [(0, 0), (0, 0), (PIXELS_MOVED, 0), (PIXELS_MOVED, 0)]
    return np.pad(planes, room, mode="edge")[:, :, :32, :32].reshape(images.shape)


CORRUPTIONS: dict[str, Callable[[Wide], Wide]] = {
    function.__name__: function for function in (brightness, contrast, noise, translation)
}


def corrupted(name: str, split: Split) -> Split:
    """The part of the data with corrupted 8-bit images; values are clipped to 0 to 255."""
    wide = CORRUPTIONS[name](split.images.astype(np.int16))
    return Split(wide.clip(0, 255).astype(np.uint8), split.labels)
