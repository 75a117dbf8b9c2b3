"""Reads the images and labels out of CIFAR-10's files, which are pickles of Python 2."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klayer.data.archive import BATCH, BATCHES, FOLDER, TRAINING
from klayer.data.dataset import CLASSES, PIXELS, Split
from klayer.errors import KlayerError

AGAIN = "run `dvc repro --force download`"


def read_batches(digests: Mapping[str, str], folder: Path = FOLDER) -> tuple[Split, Split]:
    """The 50,000 training images, in the order of their batches, and the 10,000 test images.

    Images are (N, 3072) uint8, labels (N,) uint8 below 10. `digests` are the SHA-256 of the files,
    by name; those without one were made here. Raises KlayerError for a file that is missing,
    changed or damaged.
    """
    images = np.empty((len(BATCHES) * BATCH, PIXELS), np.uint8)
    labels = np.empty(len(BATCHES) * BATCH, np.uint8)
    for i, name in enumerate(BATCHES):
        rows = slice(i * BATCH, (i + 1) * BATCH)
        content = _content(folder / name, digests.get(name))
        images[rows], labels[rows] = _batch(folder / name, content)
    train = len(TRAINING) * BATCH
    return Split(images[:train], labels[:train]), Split(images[train:], labels[train:])


def _content(path: Path, digest: str | None) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KlayerError(f"{path} cannot be read ({error.strerror}): {AGAIN}") from None
    found = hashlib.sha256(content).hexdigest()
    if digest not in (None, found):
        raise KlayerError(
            f"{path} has the SHA-256 {found}, another than data.sha256 of params.yaml has: {AGAIN}"
        )
    return content


def _batch(path: Path, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (10000, 3072) and labels (10000,) of a batch."""
    try:
        batch = _Arrays(io.BytesIO(content), encoding="latin-1").load()
        images, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
    except Exception as error:  # a damaged pickle raises almost anything
        reason = " ".join(repr(error).split())
        raise KlayerError(f"{path} is not a batch of images ({reason}): {AGAIN}") from None
    if images.shape != (BATCH, PIXELS) or images.dtype != np.uint8 or labels.shape != (BATCH,):
        raise KlayerError(
            f"{path} has images {images.shape} of {images.dtype} and labels {labels.shape}, not "
            f"{(BATCH, PIXELS)} of uint8 and {(BATCH,)}: {AGAIN}"
        )
    if not set(np.unique(labels)) <= set(range(len(CLASSES))):
        raise KlayerError(f"{path} has labels that are no whole numbers from 0 to 9: {AGAIN}")
    return images, labels.astype(np.uint8)


def _dtype(kind: str, align: int, copy: int) -> np.dtype[Any]:
    """As old pickles call it: NumPy warns of numbers in the place of truth values."""
    return np.dtype(kind, bool(align), bool(copy))


class _Arrays(pickle.Unpickler):
    """Looks up the names that an array needs, and no other: nothing else can be called."""

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "numpy", "dtype":
                return _dtype
            case "numpy", "ndarray":
                return np.ndarray
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return super().find_class("numpy._core.multiarray", name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in it")
