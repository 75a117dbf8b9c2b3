"""Stage `download`: brings CIFAR-10's seven files to data/, from this machine or from a mirror.

DVC does not remove this stage's output before it starts (`persist`): files that are there already,
of torchvision for example, are a source like others.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from klayer.data.archive import FOLDER, RefusedError, read
from klayer.environment import projects_around
from klayer.errors import KlayerError, NoArchiveError
from klayer.files import write_folder
from klayer.params import of_stage, read_settings
from klayer.settings import SYNTHETIC, DataConfig

VARIABLE = "CIFAR10_ARCHIVE"
COPIES = "cifar-10-*"  # folders and archives of torchvision and Keras
LARGEST_ARCHIVE = 300_000_000  # bytes; the seven files have 186 million

Source = Callable[[], dict[str, bytes]]


def run() -> None:
    """Fills data/cifar-10-batches-py with the files of data.sha256. For synthetic images, which
    `preprocess` makes, it leaves what is there: DVC only asks that the folder exists.

    Raises KlayerError; if no source has the files NoArchiveError, after a line for each source.
    """
    data = of_stage("data", DataConfig, **read_settings("mirrors"))
    if data.source == SYNTHETIC:
        FOLDER.mkdir(parents=True, exist_ok=True)
    elif name := os.environ.get(VARIABLE):
        write_folder(FOLDER, _named(name, data))
    else:
        write_folder(FOLDER, _first(_sources(data)))


def _named(name: str, data: DataConfig) -> dict[str, bytes]:
    """Of the copy that the user names; an error here is final."""
    places = [root / os.path.expanduser(name) for root in (Path(), *projects_around())]
    place = next(filter(Path.exists, places), places[0])
    try:
        return read(place, data.digests)
    except RefusedError as reason:
        raise KlayerError(
            f"{VARIABLE}={place.absolute()}: {reason}: name a folder, a .tar or a .tar.gz with the "
            f"seven files, no ZIP, or unset {VARIABLE} to try other sources"
        ) from None


def _first(sources: Iterator[tuple[str, Source]]) -> dict[str, bytes]:
    """Of the first source that has the files."""
    for name, get in sources:
        try:
            files = get()
        except RefusedError as reason:
            print(f"{name}: {reason}", flush=True)
        else:
            print(f"{name} has CIFAR-10", flush=True)
            return files
    raise NoArchiveError(
        "no source has CIFAR-10: name a copy (an archive or a folder with the seven files), "
        f"`{VARIABLE}=PATH dvc repro`, or use synthetic images, "
        "`dvc exp run -S data.source=synthetic`"
    )


def _sources(data: DataConfig) -> Iterator[tuple[str, Source]]:
    """Copies on this machine, then the mirrors, each with the name that the terminal shows."""
    keras = Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras"), "datasets")
    for folder in (Path("data"), *(root / "data" for root in projects_around()), keras):
        for path in sorted(folder.glob(COPIES)):
            yield str(path), partial(read, path, data.digests)
    for url in data.mirrors:
        host = str(urlsplit(url).hostname)  # the rest of the address may hold a password
        yield host, partial(_fetch, url, host, data)


def _fetch(url: str, host: str, data: DataConfig) -> dict[str, bytes]:
    """The files in a mirror's archive. Raises RefusedError."""
    archive = io.BytesIO()
    try:
        with (
            requests.get(url, stream=True, timeout=data.timeout) as response,
            tqdm(desc=host, unit="B", unit_scale=True, leave=False, disable=None) as bar,
        ):
            if response.status_code != 200:
                raise RefusedError(f"status {response.status_code}")
            bar.total = int(response.headers.get("Content-Length", 0)) or None
            for block in response.iter_content(1 << 18):
                bar.update(archive.write(block))
                if archive.tell() > LARGEST_ARCHIVE:
                    raise RefusedError("sends more bytes than the archive has")
    except (requests.RequestException, ValueError) as error:  # its text may hold a password
        raise RefusedError(type(error).__name__) from None
    archive.seek(0)
    return read(archive, data.digests)
