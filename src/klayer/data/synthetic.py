"""Synthetic images, for a machine without CIFAR-10: each class has a pattern, hidden in noise.

Whole numbers are drawn and added, nothing else: every machine makes the same bytes.
"""

from __future__ import annotations

import numpy as np

from klayer.data.archive import BATCH, BATCHES, TRAINING
from klayer.data.dataset import PIXELS, Split

NAMES = tuple(f"class {i}" for i in range(10))
SQUARES = 8  # a pattern has 8 x 8 coloured squares of 4 x 4 pixels
CONTRAST, NOISE = 3, 100  # the most that either adds to a pixel or takes from it, of 128


def synthetic_images(seed: int) -> tuple[Split, Split]:
    """50,000 training and 10,000 test images, each class as often as any other.

    Images are (N, 3072) uint8, labels (N,) uint8. A linear classifier can tell most of them.
    """
    generator = np.random.default_rng(seed)
    shape = (len(NAMES), 3, SQUARES, SQUARES)
    squares = generator.integers(-CONTRAST, CONTRAST, shape, np.int16, endpoint=True)
    side = 32 // SQUARES
    patterns = squares.repeat(side, axis=2).repeat(side, axis=3).reshape(-1, PIXELS)
    batches = []
    for _ in BATCHES:
        labels = (generator.permutation(BATCH) % len(NAMES)).astype(np.uint8)
        noise = generator.integers(-NOISE, NOISE, (BATCH, PIXELS), np.int16, endpoint=True)
        batches.append(Split((128 + patterns[labels] + noise).astype(np.uint8), labels))
    return _joined(batches[: len(TRAINING)]), _joined(batches[len(TRAINING) :])


def _joined(batches: list[Split]) -> Split:
    images = np.concatenate([batch.images for batch in batches])
    return Split(images, np.concatenate([batch.labels for batch in batches]))
