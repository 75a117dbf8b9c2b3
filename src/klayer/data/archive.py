"""The seven files of CIFAR-10, copied from a folder, a .tar (compressed or not) or a .zip.

Each file is judged by its own SHA-256, whatever holds it. Only these seven are read and nothing
else is written, so links, devices and paths in an archive have no effect.
"""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from klayer.files import whole_folder

BATCH = 10_000  # images
TRAINING = tuple(f"data_batch_{n}" for n in range(1, 6))
BATCHES = (*TRAINING, "test_batch")
FILES = ("batches.meta", *BATCHES)
FOLDER = Path("data/cifar-10-batches-py")  # torchvision's name, in its root `data`
LARGEST_FILE = 32_000_000  # bytes; a batch has 31 million


class RefusedError(Exception):
    """A source of the images that is skipped; the text says why, in one line without passwords."""


def take(source: Path | IO[bytes], digests: Mapping[str, str], folder: Path = FOLDER) -> None:
    """Copies the seven files from a folder or an archive; all of them, or none.

    `digests` are their SHA-256, by name. Raises RefusedError when one is missing or different,
    KlayerError when `folder` cannot be written.
    """
    missing, different = set(digests), dict[str, str]()
    with whole_folder(folder) as partial:
        for name, content in _contents(source):
            digest = hashlib.sha256(content).hexdigest()
            if digest != digests[name]:
                different[name] = digest
                continue
            (partial / name).write_bytes(content)
            missing.discard(name)
            if not missing:  # what follows in an archive is not read
                return
        for name in sorted(missing & set(different)):
            raise RefusedError(
                f"its {name} has another SHA-256 than params.yaml: {different[name]}"
            )
        lacks = ", ".join(sorted(missing)) if len(missing) < len(FILES) else "file of CIFAR-10"
        raise RefusedError(f"it has no {lacks}")


def _contents(source: Path | IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Name and content of those of the seven files that are there."""
    try:
        if not isinstance(source, Path):
            yield from _in_archive(source)
        elif source.is_dir():
            yield from _in_folder(source)
        elif source.is_file():
            with source.open("rb") as file:
                yield from _in_archive(file)
        else:
            raise RefusedError("there is no such file or folder")
    except RefusedError:
        raise
    except Exception as error:  # a damaged archive raises almost anything
        if reason := isinstance(error, OSError) and error.strerror:
            raise RefusedError(f"it cannot be read ({reason})") from None
        kind = type(error).__name__
        raise RefusedError(f"it is damaged, or no .tar, .tar.gz or .zip archive ({kind})") from None


def _in_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    inner = path / FOLDER.name
    for file in ((inner if inner.is_dir() else path) / name for name in FILES):
        if file.is_file() and _wanted(file.name, file.stat().st_size):
            yield file.name, file.read_bytes()


def _in_archive(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if name := _wanted(entry.filename, entry.file_size):
                    yield name, archive.read(entry)
        return
    file.seek(0)
    with tarfile.open(fileobj=file) as tar:
        for member in tar:
            name = _wanted(member.name, member.size) if member.isreg() else ""
            if name and (content := tar.extractfile(member)):
                yield name, content.read()


def _wanted(path: str, size: int) -> str:
    """The file's name if it is one of the seven, else nothing. Raises RefusedError for its size."""
    name = PurePosixPath(path).name
    if name in FILES and size > LARGEST_FILE:
        raise RefusedError(f"its {name} has {size:,} bytes, too many")
    return name if name in FILES else ""
