"""Brings the archive to data/archive.tar: from this machine, from a mirror, or made here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from klayer import params
from klayer.data.archive import LARGEST_ARCHIVE
from klayer.data.connection import MirrorError, TooSlowError
from klayer.data.mirrors import download
from klayer.data.sources import ARCHIVE, SYNTHETIC, DataConfig, sha256
from klayer.data.synthetic import write_archive
from klayer.errors import KlayerError
from klayer.files import whole_file

VARIABLE = "CIFAR10_ARCHIVE"
UNFINISHED = Path("data/.download")
WAYS_OUT = (
    f"ways out: name a copy of the archive, `{VARIABLE}=FILE dvc repro`, or use images that the "
    "project makes itself, `dvc exp run -S data.source=synthetic`."
)


class _Refused(Exception):  # noqa: N818
    """A file that is not taken; the text says why."""


def run() -> None:
    """Writes data/archive.tar, whole and with a SHA-256 of data.archives, or synthetic.

    Raises KlayerError, with a line for each thing that was tried.
    """
    data = params.section(params.read(), "data", DataConfig)
    if data.source == SYNTHETIC:
        print("making the synthetic images")
        write_archive(ARCHIVE, data.synthetic_seed)
    elif named := os.environ.get(VARIABLE):
        _take_named(Path(named).expanduser(), data)
    else:
        _find(data)


def _take_named(path: Path, data: DataConfig) -> None:
    """An error here is final: who names a file wants this one."""
    try:
        _take(path, data)
    except _Refused as reason:
        raise KlayerError(f"{VARIABLE}={path}: {reason}") from None


def _find(data: DataConfig) -> None:
    """Copies on this machine, then the mirrors, then the slow ones again, patiently."""
    copies, tried = _copies(), list[str]()
    for path in filter(Path.is_file, copies):
        try:
            return _take(path, data)
        except _Refused as reason:
            _note(tried, f"{path}: {reason}")
    if not tried:
        tried.append("  no copy that Keras or torchvision left: " + ", ".join(map(str, copies)))
    slow: list[str] = []
    for patient, urls in ((False, data.mirrors), (True, slow)):
        for url in urls:
            try:
                return _fetch(url, data, patient)
            except MirrorError as reason:
                _note(tried, f"{url}: {reason}")
                if isinstance(reason, TooSlowError) and not patient:
                    slow.append(url)
    raise KlayerError("\n".join(["no archive of CIFAR-10 was found:", *tried, WAYS_OUT]))


def _note(tried: list[str], line: str) -> None:
    print(line, flush=True)
    tried.append(f"  {line}")


def _copies() -> list[Path]:
    """Where Keras and torchvision leave the archive."""
    keras = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
    names = (
        "cifar-10-batches-py.tar.gz",
        "cifar-10-batches-py-target_archive",
        "cifar-10-python.tar.gz",
    )
    return [*(keras / name for name in names), Path("data/cifar-10-python.tar.gz")]


def _take(path: Path, data: DataConfig) -> None:
    """Copies a local file. A link would let DVC turn the user's own file read-only."""
    try:
        source = path.open("rb") if path.is_file() else None
    except OSError as error:
        raise _Refused(f"cannot be read ({error.strerror})") from None
    if source is None:
        raise _Refused("no such file")
    with source:
        size = os.fstat(source.fileno()).st_size
        if size > LARGEST_ARCHIVE:
            raise _Refused(f"has {size:,} bytes, too many for the archive")
        with whole_file(ARCHIVE) as partial, partial.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            digest = sha256(partial)
            if data.name_of(digest) is None:
                raise _Refused(
                    f"has the SHA-256 {digest}, which is not in data.archives of params.yaml: "
                    "if you trust the file, add it there under a name of its own"
                )
    print(f"{path} is the archive {data.name_of(digest)}")


def _fetch(url: str, data: DataConfig, patient: bool) -> None:
    print(f"{'waiting for' if patient else 'downloading'} {url}", flush=True)
    try:
        UNFINISHED.mkdir(parents=True, exist_ok=True)
        finished = download(url, UNFINISHED, data, patient)
        finished.replace(ARCHIVE)
        shutil.rmtree(UNFINISHED, ignore_errors=True)
    except OSError as error:
        raise KlayerError(f"cannot write {ARCHIVE}: {error.strerror or error}") from error
