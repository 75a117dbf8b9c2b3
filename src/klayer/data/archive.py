"""Reads the archive of CIFAR-10, or of the synthetic images, as something that may be hostile.

Nothing is unpacked to disk. The tar's headers are read one by one: only plain files with known
names and bounded sizes pass, so there is nothing to traverse, to link or to inflate. The pickles
inside are read by klayer.data.pickles, which runs none of them.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import PIXELS, Split
from klayer.data.pickles import UnsoundPickleError, read_pickle
from klayer.errors import KlayerError

FOLDER = "cifar-10-batches-py"
BATCH = 10_000  # images
CLASSES = 10
TRAINING = tuple(f"data_batch_{n}" for n in range(1, 6))
BATCHES = (*TRAINING, "test_batch")
REQUIRED = {*BATCHES, "batches.meta"}
ADMITTED = {*REQUIRED, "readme.html"}  # the original has this one too
LARGEST_MEMBER = 32_000_000  # bytes; a batch has 31 million
LARGEST_ARCHIVE = 250_000_000  # bytes, compressed or not


class _UnsoundArchiveError(Exception):
    """Not an archive of CIFAR-10; the text says why."""


def read_archive(path: Path) -> tuple[Split, Split]:
    """The 50,000 training images, in the order of their batches, and the 10,000 test images.

    Images are (N, 3072) uint8, labels (N,) uint8 below 10. Raises KlayerError for a file that is
    missing, damaged, or holds anything else than the seven files of CIFAR-10.
    """
    images = np.empty((len(BATCHES) * BATCH, PIXELS), np.uint8)
    labels = np.empty(len(BATCHES) * BATCH, np.uint8)
    try:
        for name, data in _members(path):
            if name in BATCHES:
                start = BATCHES.index(name) * BATCH
                rows = slice(start, start + BATCH)
                images[rows], labels[rows] = _batch(name, data)
        train = len(TRAINING) * BATCH
        _check_counts(labels[:train], labels[train:])
    except (_UnsoundArchiveError, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        reason = " ".join(str(error).split())
        raise KlayerError(
            f"{path} is not a sound CIFAR-10 archive: {reason}; remove it and run "
            "`dvc repro --force download`"
        ) from None
    return Split(images[:train], labels[:train]), Split(images[train:], labels[train:])


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, once each."""
    seen: set[str] = set()
    with path.open("rb") as file:
        compressed = file.peek(2)[:2] == b"\x1f\x8b"
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if compressed else file
        while (member := _header(stream)) is not None:
            if member.isdir() and member.name == FOLDER and member.size == 0:
                continue
            name = _admit(member, seen)
            seen.add(name)
            yield name, _exactly(stream, member.size)
            _exactly(stream, -member.size % tarfile.BLOCKSIZE)
    if not seen >= REQUIRED:
        raise _UnsoundArchiveError(f"it has no {', '.join(sorted(REQUIRED - seen))}")


def _header(stream: BinaryIO) -> tarfile.TarInfo | None:
    """The next header, or None at the end of the archive."""
    block = _exactly(stream, tarfile.BLOCKSIZE)
    if block == bytes(tarfile.BLOCKSIZE):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "ascii", "replace")
    except tarfile.HeaderError as error:
        raise _UnsoundArchiveError(f"no tar header where one should be ({error})") from None


def _admit(member: tarfile.TarInfo, seen: set[str]) -> str:
    """The file's name in the folder, if it is one of the known ones."""
    folder, _, name = member.name.partition("/")
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
    if not plain or folder != FOLDER or name not in ADMITTED:
        raise _UnsoundArchiveError(f"{member.name!a} has no place in it")
    if name in seen:
        raise _UnsoundArchiveError(f"{name} stands in it twice")
    if not 0 <= member.size <= LARGEST_MEMBER:
        raise _UnsoundArchiveError(f"{name} has an absurd size, {member.size:,} bytes")
    return name


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise _UnsoundArchiveError("it ends too early")
    return data


def _batch(name: str, data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (10000, 3072) and labels (10000,) of a batch."""
    try:
        content = read_pickle(data)
    except UnsoundPickleError as error:
        raise _UnsoundArchiveError(f"{name} is not the pickle of a batch: {error}") from None
    images, labels = content.get("data"), content.get("labels")
    if not isinstance(images, np.ndarray) or images.shape != (BATCH, PIXELS):
        raise _UnsoundArchiveError(f"the data of {name} are not {BATCH:,} x {PIXELS:,} bytes")
    if not isinstance(labels, list) or len(labels) != BATCH or not all(map(_is_label, labels)):
        raise _UnsoundArchiveError(f"the labels of {name} are not {BATCH:,} numbers from 0 to 9")
    return images, np.array(labels, np.uint8)


def _is_label(value: Any) -> bool:
    return type(value) is int and 0 <= value < CLASSES


def _check_counts(train: NDArray[np.uint8], test: NDArray[np.uint8]) -> None:
    for labels, part in ((train, "training"), (test, "test")):
        counts = np.bincount(labels, minlength=CLASSES)
        if counts.min() != counts.max():
            raise _UnsoundArchiveError(
                f"its classes have {counts.tolist()} {part} images, not the same number each"
            )
