"""Test-time augmentation: a network's mean answer over several views of an image.

Krizhevsky et al. (2012), "ImageNet Classification with Deep Convolutional Neural Networks",
section 4.1, average over five patches and their mirror images.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import Dataset, Split
from klayer.training.evaluation import Evaluator, Measures

SIDE, FAR = 32, 2  # pixels
SHIFTS = ((0, 0), (FAR, 0), (-FAR, 0), (0, FAR), (0, -FAR))  # down, right
VIEWS = tuple(product((False, True), SHIFTS))


def measure(evaluator: Evaluator, dataset: Dataset, split: Split) -> Measures:
    """Loss and accuracy (M,) of the probabilities' mean over the image, shifts of it by 2 pixels to
    each side, and the mirror images of these.
    """
    views = (moved(split.images, flip, *shift, dataset.mean) for flip, shift in VIEWS)
    total = sum(evaluator.probabilities(Split(view, split.labels)) for view in views)
    mean = np.asarray(total, np.float64) / len(VIEWS)  # (N, M, C)
    right = mean[np.arange(len(split)), :, split.labels]  # (N, M)
    hits = mean.argmax(axis=2) == split.labels[:, np.newaxis]
    tiny = np.finfo(np.float32).tiny
    return {"loss": -np.log(right.clip(tiny)).mean(axis=0), "accuracy": hits.mean(axis=0)}


def moved(
    images: NDArray[np.uint8], flip: bool, down: int, right: int, mean: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Images (N, 3072), mirrored and then moved; the mean image comes in at the edges."""
    planes = images.reshape(-1, 3, SIDE, SIDE)[..., :: -1 if flip else 1]
    out = np.empty_like(planes)
    out[:] = np.rint(mean).reshape(3, SIDE, SIDE)
    rows, columns = ((slice(max(by, 0), SIDE + min(by, 0))) for by in (down, right))
    of_rows, of_columns = ((slice(max(-by, 0), SIDE + min(-by, 0))) for by in (down, right))
    out[..., rows, columns] = planes[..., of_rows, of_columns]
    return out.reshape(images.shape)
