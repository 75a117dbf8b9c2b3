"""The seven files of CIFAR-10, wherever they lie: in a folder, in a .tar, in a compressed one.

What holds them does not matter: times, owners, order, further members and the kind of tar differ
from one program to the next. Each file is judged by its own SHA-256. Only the seven are read and
nothing else is ever written, so paths, links and devices in an archive have no effect.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from klayer.files import whole_folder

BATCH = 10_000  # images
TRAINING = tuple(f"data_batch_{n}" for n in range(1, 6))
BATCHES = (*TRAINING, "test_batch")
FILES = ("batches.meta", *BATCHES)
FOLDER = Path("data/cifar-10-batches-py")  # torchvision's name, in its root `data`
LARGEST_FILE = 32_000_000  # bytes; a batch has 31 million
LARGEST_ARCHIVE = 300_000_000  # bytes, compressed or not; the seven files have 186 million
COMPRESSIONS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZ": bz2.open,
    b"\xfd7": lzma.open,
}


class RefusedError(Exception):
    """A copy of the images that is not taken; the text says why."""


class AbsentError(RefusedError):
    """There is no such copy."""


def take(source: Path, digests: Mapping[str, str], folder: Path = FOLDER) -> None:
    """Copies the seven files from a folder or an archive; all of them, or none.

    `digests` are their SHA-256, by name. Raises RefusedError when one is missing or another one,
    KlayerError when `folder` cannot be written.
    """
    missing, strange = set(digests), dict[str, str]()
    with whole_folder(folder) as partial:
        for name, content in _contents(source):
            digest = hashlib.sha256(content).hexdigest()
            if digest != digests[name]:
                strange[name] = digest
                continue
            (partial / name).write_bytes(content)
            missing.discard(name)
            if not missing:  # what follows in an archive is not read
                return
        raise RefusedError(_shortcoming(sorted(missing), strange))


def _shortcoming(missing: list[str], strange: Mapping[str, str]) -> str:
    for name in filter(strange.get, missing):
        return f"its {name} is not the original's: it has the SHA-256 {strange[name]}"
    return f"it has no {', '.join(missing)}"


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of those of the seven files that are there."""
    try:
        if path.is_dir():
            yield from _in_folder(path)
        elif path.is_file():
            yield from _in_archive(path)
        elif path.exists():
            raise RefusedError("it is neither a file nor a folder")
        else:
            raise AbsentError("there is no such file or folder")
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise RefusedError(f"it cannot be read ({error.strerror})") from None
        reason = " ".join(str(error).split())
        raise RefusedError(f"it is a damaged or truncated archive, or none ({reason})") from None


def _in_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    inner = path / FOLDER.name
    for file in ((inner if inner.is_dir() else path) / name for name in FILES):
        if file.is_file():
            _check_size(file.name, file.stat().st_size)
            yield file.name, file.read_bytes()


def _in_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        start = file.peek(2)[:2]
        plain = COMPRESSIONS[start](file) if start in COMPRESSIONS else file
        stream = cast(IO[bytes], _Bounded(plain))
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                if name in FILES and member.isreg() and (content := tar.extractfile(member)):
                    _check_size(name, member.size)
                    yield name, content.read()


def _check_size(name: str, size: int) -> None:
    if size > LARGEST_FILE:
        raise RefusedError(f"its {name} has {size:,} bytes, too many")


class _Bounded:
    """Gives no more bytes than an archive of CIFAR-10 can have, however well they compress."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.left = file, LARGEST_ARCHIVE

    def read(self, size: int) -> bytes:
        block = self.file.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise RefusedError("it has too many bytes for an archive of CIFAR-10")
        return block
