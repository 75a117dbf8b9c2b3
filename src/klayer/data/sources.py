"""The `data` section of params.yaml: where the images come from and how they are divided."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from klayer.data.archive import FILES
from klayer.params import Section

SYNTHETIC = "synthetic"


def _digest(line: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64} +\S+", line):
        raise ValueError("a SHA-256 (64 of 0-9 and a-f), a space and a file's name")
    return line


def _one_for_each(lines: list[str]) -> list[str]:
    if sorted(line.split()[1] for line in lines) != sorted(FILES):
        raise ValueError(f"one line for each of {', '.join(FILES)}")
    return lines


def _url(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/\[\]]+(/\S*)?", url):
        raise ValueError("an address that begins with https:// or http:// and names a host")
    return url


class DataConfig(Section):
    """The section `data`."""

    source: Literal["cifar10", "synthetic"]
    """The images of CIFAR-10, or synthetic ones that the project makes itself."""
    sha256: Annotated[list[Annotated[str, AfterValidator(_digest)]], AfterValidator(_one_for_each)]
    """The seven files that are accepted, each `DIGEST NAME`, as sha256sum prints them."""
    mirrors: list[Annotated[str, AfterValidator(_url)]]
    """Addresses of the archive, tried in this order."""
    timeout: float = Field(gt=0, le=3600)
    """Seconds without an answer, or without a byte, after which a mirror is skipped."""
    synthetic_seed: int = Field(ge=0)
    """Of the synthetic images."""
    validation: int = Field(ge=1, le=10_000)
    """How many images validate: the first of data_batch_1."""

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each of CIFAR-10's files, by name."""
        return {name: digest for digest, name in map(str.split, self.sha256)}
