"""CIFAR-10's seven files: read from a folder or an archive, checked, and decoded.

A file counts when its SHA-256 is right, whatever the source. Nothing is unpacked to disk, so links,
devices and paths in an archive have no effect.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from klayer.data.dataset import BATCH, PIXELS, Split
from klayer.errors import KlayerError, one_line

FOLDER = Path("data/cifar-10-batches-py")  # torchvision's name, in its root `data`
BATCHES = (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")
LARGEST_FILE = 32_000_000  # bytes; a batch has 31 million


class MissingFilesError(Exception):
    """A source lacks some of the seven files. The message names them."""


def read(source: Path | IO[bytes], digests: Mapping[str, str]) -> dict[str, bytes]:
    """The content of the seven files, by name, from a folder or an archive (.tar, .tar.gz).

    `digests` are their SHA-256, by name. Raises MissingFilesError when a file is missing or
    different, and errors of almost any class for a damaged archive.
    """
    if isinstance(source, Path) and not source.is_dir():
        with source.open("rb") as file:
            return read(file, digests)
    files = {
        name: content
        for name, content in _contents(source, digests)
        if hashlib.sha256(content).hexdigest() == digests[name]
    }
    if missing := sorted(digests.keys() - files.keys()):
        raise MissingFilesError(f"has no {', '.join(missing)} with the SHA-256 of params.yaml")
    return files


def _contents(source: Path | IO[bytes], digests: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file that may be one of the seven."""
    if isinstance(source, Path):
        folders = (source, source / FOLDER.name)
        for path in (folder / name for folder in folders for name in digests):
            if path.is_file():
                yield path.name, path.read_bytes()
        return
    with tarfile.open(fileobj=source, mode="r|*") as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if name in digests and member.isreg() and member.size <= LARGEST_FILE:
                yield name, archive.extractfile(member).read()  # type: ignore[union-attr]  # a file


def decode(files: Mapping[str, bytes]) -> tuple[Split, tuple[str, ...]]:
    """The 60,000 images, in the order of their batches, and the names of the classes.

    `files` has the content of the seven files, by name. Raises KlayerError, which names the file,
    when one is not in CIFAR-10's format.
    """
    images, labels, name = [], [], "batches.meta"
    try:
        classes = tuple(_unpickled(files[name])["label_names"])
        for name in BATCHES:
            batch = _unpickled(files[name])
            data, numbers = np.asarray(batch["data"]), np.asarray(batch["labels"])
            if data.shape != (BATCH, PIXELS) or data.dtype != np.uint8:
                raise ValueError(f"data is {data.shape} of {data.dtype}")
            if numbers.shape != (BATCH,) or not np.isin(numbers, range(10)).all():
                raise ValueError("labels are not whole numbers from 0 to 9, one for each image")
            images.append(data)
            labels.append(numbers)
    except Exception as error:  # a damaged pickle raises almost anything
        raise KlayerError(
            f"{FOLDER / name} is not in CIFAR-10's format ({one_line(error)}): correct the file"
        ) from None
    return Split(np.concatenate(images), np.concatenate(labels).astype(np.uint8)), classes


def _unpickled(content: bytes) -> Any:
    return _Unpickler(io.BytesIO(content), encoding="latin-1").load()


ALLOWED: dict[str, Any] = {
    "numpy.ndarray": np.ndarray,
    # Old pickles have 0 and 1 for False and True; NumPy would warn.
    "numpy.dtype": lambda kind, align, copy: np.dtype(kind, bool(align), bool(copy)),
    "numpy._core.multiarray._reconstruct": np.empty(0).__reduce__()[0],
}


class _Unpickler(pickle.Unpickler):
    """Loads arrays and built-in types only, so that a pickle cannot run other code."""

    def find_class(self, module: str, name: str) -> Any:
        value = ALLOWED.get(f"{module}.{name}".replace("numpy.core", "numpy._core"))
        if value is None:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return value
