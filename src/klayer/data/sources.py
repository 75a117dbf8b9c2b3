"""The `data` section of params.yaml: where the images come from and how they are divided."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from klayer.params import Section

ARCHIVE = Path("data/archive.tar")  # compressed or not
SYNTHETIC = "synthetic"


def _archive_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]+", name) or name == SYNTHETIC:
        raise ValueError("a name of a-z, 0-9 and _, other than synthetic")
    return name


def _sha256(digest: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError("a SHA-256: 64 of the characters 0-9 and a-f")
    return digest


def _url(url: str) -> str:
    try:
        sound = urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname
    except ValueError:
        sound = None
    if not sound:
        raise ValueError("an address that begins with https:// or http:// and names a host")
    return url


class DataConfig(Section):
    """The section `data`."""

    source: Literal["cifar10", "synthetic"]
    archives: Annotated[
        dict[
            Annotated[str, AfterValidator(_archive_name)], Annotated[str, AfterValidator(_sha256)]
        ],
        Field(min_length=1),
    ]
    mirrors: list[Annotated[str, AfterValidator(_url)]]
    connect_timeout: float = Field(gt=0, le=3600)  # seconds
    slow_rate: float = Field(ge=0)  # kB/s
    slow_seconds: float = Field(gt=0, le=3600)
    synthetic_seed: int = Field(ge=0)
    validation: int = Field(ge=1, le=10_000)  # images of data_batch_1

    def name_of(self, digest: str) -> str | None:
        """The name of the archive with this SHA-256, or None when it is not in the list."""
        return next((name for name, known in self.archives.items() if known == digest), None)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
