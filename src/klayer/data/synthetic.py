"""Synthetic images, for a machine without CIFAR-10: each class has a pattern, hidden in noise.

Whole numbers are drawn and added, nothing else: every machine makes the same bytes.
"""

from __future__ import annotations

import numpy as np

from klayer.data.dataset import BATCH, PIXELS, Split

NAMES = tuple(f"class {i}" for i in range(10))
CONTRAST, NOISE = 3, 100  # largest changes of a pixel, from its mean of 128


def synthetic_images(seed: int) -> Split:
    """60,000 images in 6 batches; each batch has as many images of each class.

    A pattern has 8 x 8 coloured squares of 4 x 4 pixels. A linear classifier recognises many.
    """
    generator = np.random.default_rng(seed)
    squares = generator.integers(-CONTRAST, CONTRAST, (10, 3, 8, 8), np.int16, endpoint=True)
    patterns = squares.repeat(4, axis=2).repeat(4, axis=3).reshape(-1, PIXELS)
    images, labels = np.empty((6 * BATCH, PIXELS), np.uint8), np.empty(6 * BATCH, np.uint8)
    for start in range(0, len(labels), BATCH):
        batch = slice(start, start + BATCH)
        labels[batch] = generator.permutation(BATCH) % 10
        noise = generator.integers(-NOISE, NOISE, (BATCH, PIXELS), np.int16, endpoint=True)
        images[batch] = 128 + patterns[labels[batch]] + noise
    return Split(images, labels)
