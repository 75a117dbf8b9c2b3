"""Images, labels and names of classes in CIFAR-10's files, which are pickles."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klayer.data.archive import BATCH, BATCHES, TRAINING
from klayer.data.dataset import PIXELS, Split


def decode(files: Mapping[str, bytes]) -> tuple[Split, Split, tuple[str, ...]]:
    """The 50,000 training images, in the order of their batches, the 10,000 test images, and the
    names of the classes.

    Images are (N, 3072) uint8, labels (N,) uint8 below 10. `files` has the content of the seven
    files, by name. Raises ValueError, which names the file, when one has other content.
    """
    images = np.empty((len(BATCHES) * BATCH, PIXELS), np.uint8)
    labels = np.empty(len(images), np.uint8)
    name = "batches.meta"
    try:
        classes = tuple(_load(files[name])["label_names"])
        for i, name in enumerate(BATCHES):
            rows = slice(i * BATCH, (i + 1) * BATCH)
            images[rows], labels[rows] = _batch(_load(files[name]))
    except Exception as error:  # a damaged pickle raises almost anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{name} does not have the content of CIFAR-10's ({reason})") from error
    train = len(TRAINING) * BATCH
    return Split(images[:train], labels[:train]), Split(images[train:], labels[train:]), classes


def _batch(values: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (10000, 3072) and labels (10000,) of a batch. Raises ValueError."""
    images, labels = np.asarray(values["data"]), np.asarray(values["labels"])
    if images.shape != (BATCH, PIXELS) or images.dtype != np.uint8:
        raise ValueError(f"data is {images.shape} of {images.dtype}")
    if labels.shape != (BATCH,) or not set(np.unique(labels)) <= set(range(10)):
        raise ValueError("labels are not whole numbers from 0 to 9, one for each image")
    return images, labels


def _load(content: bytes) -> Any:
    return _Unpickler(io.BytesIO(content), encoding="latin-1").load()


def _dtype(kind: str, align: int, copy: int) -> np.dtype[Any]:
    """As old pickles call it: NumPy warns of numbers in the place of truth values."""
    return np.dtype(kind, bool(align), bool(copy))


class _Unpickler(pickle.Unpickler):
    """Knows the names that an array needs, and no other: nothing else can be called."""

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "numpy", "dtype":
                return _dtype
            case "numpy", "ndarray":
                return np.ndarray
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return super().find_class("numpy._core.multiarray", name)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
