"""Reads images, labels and names of classes from CIFAR-10's files, which are pickles."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from klayer.data.archive import BATCH, BATCHES, FOLDER, TRAINING
from klayer.data.dataset import PIXELS, Split, class_names
from klayer.errors import KlayerError

T = TypeVar("T")


def read_files(
    digests: Mapping[str, str], folder: Path = FOLDER
) -> tuple[Split, Split, tuple[str, ...]]:
    """The 50,000 training images, in the order of their batches, the 10,000 test images, and the
    names of the classes.

    Images are (N, 3072) uint8, labels (N,) uint8 below 10. `digests` are the SHA-256 of the files,
    by name. Raises KlayerError for a file that is missing, different or damaged.
    """
    images = np.empty((len(BATCHES) * BATCH, PIXELS), np.uint8)
    labels = np.empty(len(images), np.uint8)
    for i, name in enumerate(BATCHES):
        rows = slice(i * BATCH, (i + 1) * BATCH)
        images[rows], labels[rows] = _read(folder / name, digests, _batch)
    classes = _read(folder / "batches.meta", digests, lambda meta: class_names(meta["label_names"]))
    train = len(TRAINING) * BATCH
    return Split(images[:train], labels[:train]), Split(images[train:], labels[train:]), classes


def _read(path: Path, digests: Mapping[str, str], part: Callable[[Any], T]) -> T:
    again = "run `dvc repro --force download`"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KlayerError(f"{path} cannot be read ({error.strerror}): {again}") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != digests[path.name]:
        raise KlayerError(f"{path} has another SHA-256 than params.yaml, {digest}: {again}")
    try:
        return part(_Unpickler(io.BytesIO(content), encoding="latin-1").load())
    except Exception as error:  # a damaged pickle raises almost anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise KlayerError(
            f"{path} has not the content of CIFAR-10's {path.name} ({reason}): correct the file"
        ) from None


def _batch(values: Any) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (10000, 3072) and labels (10000,) of a batch. Raises ValueError."""
    images, labels = np.asarray(values["data"]), np.asarray(values["labels"])
    if images.shape != (BATCH, PIXELS) or images.dtype != np.uint8:
        raise ValueError(
            f"data is {images.shape} of {images.dtype}, not {(BATCH, PIXELS)} of uint8"
        )
    if labels.shape != (BATCH,) or not set(np.unique(labels)) <= set(range(10)):
        raise ValueError(f"labels are not {BATCH} whole numbers from 0 to 9")
    return images, labels.astype(np.uint8)


def _dtype(kind: str, align: int, copy: int) -> np.dtype[Any]:
    """As old pickles call it: NumPy warns of numbers in the place of truth values."""
    return np.dtype(kind, bool(align), bool(copy))


class _Unpickler(pickle.Unpickler):
    """Looks up the names that an array needs, and no other: nothing else can be called."""

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "numpy", "dtype":
                return _dtype
            case "numpy", "ndarray":
                return np.ndarray
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return super().find_class("numpy._core.multiarray", name)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
