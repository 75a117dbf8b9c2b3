"""The seven files of CIFAR-10, read from a folder or from an archive.

Their SHA-256 decide, whatever holds them. Nothing is unpacked to disk, so links, devices and paths
in an archive have no effect.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

BATCH = 10_000  # images
TRAINING = tuple(f"data_batch_{n}" for n in range(1, 6))
BATCHES = (*TRAINING, "test_batch")
FILES = ("batches.meta", *BATCHES)
FOLDER = Path("data/cifar-10-batches-py")  # torchvision's name, in its root `data`
LARGEST_FILE = 32_000_000  # bytes; a batch has 31 million


class RefusedError(Exception):
    """A source without the images. The text is one line: what is wrong with it."""


def read(source: Path | IO[bytes], digests: Mapping[str, str]) -> dict[str, bytes]:
    """The content of the seven files, by name, from a folder or an archive (.tar, .tar.gz).

    `digests` are their SHA-256, by name. Raises RefusedError when a file is missing or different,
    or when the source cannot be read. The text has no password: of errors it has the class alone.
    """
    try:
        files = {
            name: content
            for name, content in _contents(source)
            if hashlib.sha256(content).hexdigest() == digests.get(name)
        }
    except Exception as error:  # a damaged archive raises almost anything
        raise RefusedError(type(error).__name__) from error
    if missing := sorted(digests.keys() - files.keys()):
        raise RefusedError(f"has no {', '.join(missing)} with the SHA-256 of params.yaml")
    return files


def _contents(source: Path | IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file that may be one of the seven."""
    if isinstance(source, Path) and source.is_dir():
        inner = source / FOLDER.name
        folder = inner if inner.is_dir() else source
        yield from ((n, (folder / n).read_bytes()) for n in FILES if (folder / n).is_file())
        return
    with tarfile.open(source) if isinstance(source, Path) else tarfile.open(fileobj=source) as tar:
        for member in tar:
            name = PurePosixPath(member.name).name
            if name in FILES and member.isreg() and member.size <= LARGEST_FILE:
                yield name, tar.extractfile(member).read()  # type: ignore[union-attr]  # a file
