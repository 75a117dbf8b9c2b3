"""Brings CIFAR-10's seven files to data/: from this machine, from a mirror, or made here.

DVC does not remove this stage's output before it starts (`persist`): sound files that are there
already, of torchvision for example, are kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from klayer import params
from klayer.data.archive import FOLDER, AbsentError, RefusedError, take
from klayer.data.connection import (
    MirrorError,
    ProxyFaultError,
    TooSlowError,
    check_certificates,
    without_passwords,
)
from klayer.data.mirrors import download
from klayer.data.sources import SYNTHETIC, DataConfig
from klayer.data.synthetic import write_batches
from klayer.errors import KlayerError
from klayer.running.environment import projects_around

VARIABLE = "CIFAR10_ARCHIVE"
UNFINISHED = Path("data/.download")
SET_ASIDE = Path("data/.original")  # the original files, while synthetic ones are in their place
WAYS_OUT = (
    f"ways out: name a copy, `{VARIABLE}=PATH dvc repro` (an archive or a folder with the seven "
    "files), or use images that the project makes itself, "
    "`dvc exp run -S data.source=synthetic`."
)


class NoArchiveError(KlayerError):
    """CIFAR-10 was found nowhere: the one failure that synthetic images can answer."""

    exit_status = 3


def run() -> None:
    """Writes data/cifar-10-batches-py with the SHA-256 of data.sha256, or synthetic.

    Raises KlayerError; if nothing has them NoArchiveError, with a line for each thing tried.
    """
    data = params.section(params.read(), "data", DataConfig)
    if data.source == SYNTHETIC:
        with suppress(RefusedError):
            take(FOLDER, data.digests, SET_ASIDE)
        print("making the synthetic images")
        write_batches(data.synthetic_seed)
    else:
        named = os.environ.get(VARIABLE)
        _take_named(named, data) if named else _find(data)
        for folder in (UNFINISHED, SET_ASIDE):
            shutil.rmtree(folder, ignore_errors=True)


def _roots() -> list[Path]:
    """The working folder; then, of an experiment's temporary one, the project's own."""
    return [Path(), *projects_around()]


def _take_named(name: str, data: DataConfig) -> None:
    """An error here is final: who names a copy wants this one."""
    path = os.path.expanduser(name)
    places = [root / path for root in _roots()]
    place = next(filter(os.path.exists, places), places[0])
    try:
        take(place, data.digests)
    except RefusedError as reason:
        raise KlayerError(
            f"{VARIABLE}={name}: {reason}; it was looked for at {place.absolute()}: give the whole "
            f"path of a sound copy, or unset {VARIABLE} to look in the usual places"
        ) from None
    print(f"{place} is CIFAR-10")


def _find(data: DataConfig) -> None:
    """Copies on this machine, then the mirrors, then the slow ones again, patiently."""
    copies, tried = _copies(), list[str]()
    for path in copies:
        try:
            take(path, data.digests)
            return print(f"{path} is CIFAR-10")
        except AbsentError:
            pass
        except RefusedError as reason:
            _note(tried, f"{path}: {reason}")
    if not tried:
        tried.append("  no copy on this machine: " + ", ".join(map(str, copies)))
    check_certificates()
    slow: list[str] = []
    for patient, urls in ((False, data.mirrors), (True, slow)):
        for url in urls:
            try:
                return _fetch(url, data, patient)
            except ProxyFaultError as reason:
                _note(tried, f"{reason}: correct the variable or unset it")
            except MirrorError as reason:
                _note(tried, f"{url}: {reason}")
                if isinstance(reason, TooSlowError) and not patient:
                    slow.append(url)
    raise NoArchiveError("\n".join(["CIFAR-10 was not found:", *tried, WAYS_OUT]))


def _note(tried: list[str], text: str) -> None:
    """Says it once."""
    line = f"  {without_passwords(text)}"
    if line not in tried:
        print(line.strip(), flush=True)
        tried.append(line)


def _copies() -> list[Path]:
    """Where the files may be already; then where Keras and torchvision leave them."""
    keras = Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")) / "datasets"
    names = (
        "cifar-10-batches-py",
        "cifar-10-batches-py-target",
        "cifar-10-batches-py.tar.gz",
        "cifar-10-batches-py-target_archive",
        "cifar-10-python.tar.gz",
    )
    ours = (FOLDER, SET_ASIDE, Path("data/cifar-10-python.tar.gz"))
    found = [root / path for root in _roots() for path in ours]
    return [*found, *(keras / name for name in names)]


def _fetch(url: str, data: DataConfig, patient: bool) -> None:
    print(f"{'waiting for' if patient else 'downloading'} {without_passwords(url)}", flush=True)
    unfinished = UNFINISHED / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.partial"
    try:
        UNFINISHED.mkdir(parents=True, exist_ok=True)
        resumed = unfinished.exists()
        download(url, unfinished, data, patient)
        take(unfinished, data.digests)
    except RefusedError as reason:
        unfinished.unlink()
        if resumed:  # once more, from the start
            return _fetch(url, data, patient)
        raise MirrorError(f"sends another file: {reason}") from None
    except OSError as error:
        raise KlayerError(
            f"cannot write {unfinished}: {error.strerror or error}: look at permissions and free "
            "space; what was loaded is kept"
        ) from error
    return None
