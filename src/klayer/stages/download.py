"""Stage `download`: copies CIFAR-10's seven files to data/, from this machine or from a mirror.

DVC does not remove this stage's output before it starts (`persist`): files that are already in the
folder, for example from torchvision, are a source like others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from klayer.data.cifar10 import FOLDER, MissingFilesError, read
from klayer.errors import KlayerError, NoArchiveError
from klayer.files import write_folder
from klayer.params import read_settings, stage_settings
from klayer.settings import SYNTHETIC, DataConfig

VARIABLE = "CIFAR10_ARCHIVE"
COPIES = "cifar-10-*"  # folders and archives of torchvision and Keras
README = "readme.html"  # in the archive, beside the seven files


def run() -> None:
    """Fills data/cifar-10-batches-py with the files of data.sha256. For synthetic images, which
    `preprocess` makes, nothing is written: DVC only needs the folder.

    Raises KlayerError when the folder has other files, or when CIFAR10_ARCHIVE is no copy, and
    NoArchiveError when no source has the files. A line is printed for each source that fails.
    """
    data = stage_settings("data", DataConfig, **read_settings("mirrors"))
    if data.source == SYNTHETIC:
        FOLDER.mkdir(parents=True, exist_ok=True)
    else:
        _refuse_other_files(data.digests)
        write_folder(FOLDER, _fetch(data))


def _refuse_other_files(digests: Mapping[str, str]) -> None:
    """Raises KlayerError for other files, such as the user's images: they would be overwritten.

    Hidden files do not count: a killed download and the desktop of macOS leave such files.
    """
    others = [
        path.name
        for path in sorted(FOLDER.glob("[!.]*"))
        if path.is_file() and path.name != README
        if sha256(path.read_bytes()).hexdigest() != digests.get(path.name)
    ]
    if others:
        raise KlayerError(
            f"{FOLDER} has other files than CIFAR-10's of params.yaml: move {', '.join(others)} "
            "away, then run the same command again"
        )


def _fetch(data: DataConfig) -> dict[str, bytes]:
    """The seven files, from the first source that has them."""
    if named := os.environ.get(VARIABLE):
        sources: list[Path | str] = [Path(named).expanduser().absolute()]
    else:
        keras = Path(os.environ.get("KERAS_HOME") or "~/.keras", "datasets").expanduser()
        copies = [path for folder in (Path("data"), keras) for path in sorted(folder.glob(COPIES))]
        sources = [*copies, *data.mirrors]
    for source in sources:
        # Only the host of an address and the class of an error are printed: the rest may hold a
        # password.
        name = source if isinstance(source, Path) else urlsplit(source).hostname
        try:
            files = _read(source, data)
        except Exception as error:  # a damaged archive raises almost anything
            missing = str(error) if isinstance(error, MissingFilesError) else ""
            print(f"{name}: {missing or type(error).__name__}", flush=True)
        else:
            print(f"{name} has CIFAR-10", flush=True)
            return files
    kind = KlayerError if named else NoArchiveError
    raise kind(
        f"CIFAR-10 is not in {named or 'any source'}: name a folder, a .tar or a .tar.gz with the "
        f"seven files, `{VARIABLE}=PATH dvc repro`, or use synthetic images, "
        "`dvc exp run -S data.source=synthetic`"
    )


def _read(source: Path | str, data: DataConfig) -> dict[str, bytes]:
    """The seven files, from a copy on this machine or from the archive at an address."""
    if isinstance(source, Path):
        return read(source, data.digests)
    with requests.get(source, stream=True, timeout=data.timeout) as response:
        response.raise_for_status()
        size = int(response.headers.get("Content-Length", 0)) or None
        host = urlsplit(source).hostname
        bar: Any = tqdm.wrapattr(response.raw, "read", size, desc=host, leave=False, disable=None)
        with bar as stream:
            return read(stream, data.digests)
