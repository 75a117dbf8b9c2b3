"""Stage `download`: brings CIFAR-10's seven files to data/, from this machine or from a mirror.

DVC does not remove this stage's output before it starts (`persist`): files that are there already,
of torchvision for example, are a source like others.
"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from klayer.data.archive import FOLDER, RefusedError, take
from klayer.errors import KlayerError
from klayer.parallel.environment import projects_around
from klayer.params import of_stage, read_settings
from klayer.settings import SYNTHETIC, DataConfig

VARIABLE = "CIFAR10_ARCHIVE"
LARGEST_ARCHIVE = 300_000_000  # bytes; the seven files have 186 million
ARCHIVE = "cifar-10-python.tar.gz"
KERAS = ("", "-target", ".tar.gz", "-target_archive")  # after the folder's name: what it leaves


class NoArchiveError(KlayerError):
    """CIFAR-10 was found nowhere: the one failure that synthetic images can answer."""

    exit_status = 3


def run() -> None:
    """Fills data/cifar-10-batches-py with the files of data.sha256. For synthetic images, which
    `preprocess` makes, it leaves what is there: DVC only asks that the folder exists.

    Raises KlayerError; if no source has the files NoArchiveError, after a line for each source.
    """
    data = of_stage("data", DataConfig, **read_settings("mirrors"))
    if data.source == SYNTHETIC:
        FOLDER.mkdir(parents=True, exist_ok=True)
    elif named := os.environ.get(VARIABLE):
        _take_named(named, data)
    elif not _taken(data):
        raise NoArchiveError(
            "no source has CIFAR-10: name a copy (an archive or a folder with the seven files), "
            f"`{VARIABLE}=PATH dvc repro`, or use synthetic images, "
            "`dvc exp run -S data.source=synthetic`"
        )


def _take_named(name: str, data: DataConfig) -> None:
    """An error here is final: who names a copy wants this one."""
    path = os.path.expanduser(name)
    places = [root / path for root in _roots()]
    place = next(filter(os.path.exists, places), places[0])
    try:
        take(place, data.digests)
    except RefusedError as reason:
        raise KlayerError(
            f"{VARIABLE}={place.absolute()}: {reason}: name a sound copy, or unset {VARIABLE} to "
            "try other sources"
        ) from None


def _taken(data: DataConfig) -> bool:
    """Whether a copy on this machine or a mirror, the first that can, gave the files."""
    keras = Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras"), "datasets")
    ours = [root / path for root in _roots() for path in (FOLDER, FOLDER.with_name(ARCHIVE))]
    theirs = [keras / name for name in (*(FOLDER.name + end for end in KERAS), ARCHIVE)]
    copies = [path for path in (*ours, *theirs) if os.path.exists(path)]
    sources = [(str(path), partial(take, path, data.digests)) for path in copies]
    sources += [(_host(url), partial(_fetch, url, data)) for url in data.mirrors]
    if not copies:
        print(f"data/ and {keras} have no copy of CIFAR-10")
    for name, get in sources:
        try:
            get()
        except RefusedError as reason:
            print(f"{name}: {reason}", flush=True)
        else:
            print(f"{name} has CIFAR-10")
            return True
    return False


def _roots() -> list[Path]:
    """The working folder; then, of an experiment's temporary one, the project's own."""
    return [Path(), *projects_around()]


def _host(url: str) -> str:
    """The part of the address that holds no password."""
    return urlsplit(url).hostname or "a mirror"


def _fetch(url: str, data: DataConfig) -> None:
    """Takes the files from a mirror's archive. Raises RefusedError.

    The archive is a file without a name: nothing is left of it, whatever happens.
    """
    FOLDER.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryFile(dir=FOLDER.parent) as file:
        try:
            with (
                requests.get(url, stream=True, timeout=data.timeout) as response,
                tqdm(desc=_host(url), unit="B", unit_scale=True, leave=False, disable=None) as bar,
            ):
                if response.status_code != 200:
                    raise RefusedError(f"status {response.status_code}")
                bar.total = int(response.headers.get("Content-Length", 0)) or None
                for block in response.iter_content(1 << 18):
                    bar.update(file.write(block))
                    if file.tell() > LARGEST_ARCHIVE:
                        raise RefusedError("sends more bytes than the archive can have")
        except (requests.RequestException, ValueError) as error:  # its text may hold a password
            raise RefusedError(type(error).__name__) from None
        take(file, data.digests)
