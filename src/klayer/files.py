"""Writes files whole or not at all: under a temporary name, which is then changed."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from klayer.errors import KlayerError

if TYPE_CHECKING:  # slow to import; workers write neither tables nor pictures
    import pandas as pd
    from PIL import Image


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path. On success the file becomes `path`, on failure it is removed.

    Raises KlayerError when the disk is full or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")  # a unique name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise KlayerError(
            f"cannot write {path} ({error.strerror or error}): look at free space and permissions, "
            "then run the same command again"
        ) from error
    finally:
        if partial.exists():
            partial.unlink()


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes the files of a folder, by name, and removes all other files in it."""
    for name, content in files.items():
        with whole_file(folder / name) as partial:
            partial.write_bytes(content)
    for path in folder.iterdir():
        if path.is_file() and path.name not in files:
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes text as UTF-8."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_metrics(path: Path, metrics: Mapping[str, float]) -> None:
    """Writes flat JSON with sorted keys. Raises ValueError for a number that is not finite."""
    write_text(path, json.dumps(dict(metrics), indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Writes CSV with up to 8 significant digits. Raises ValueError for NaN and infinity."""
    if not np.isfinite(table.select_dtypes("number").to_numpy(np.float64)).all():
        raise ValueError(f"{path}: a table has to be finite")
    write_text(path, table_text(table))


def table_text(table: pd.DataFrame) -> str:
    """The table as CSV."""
    return table.to_csv(index=False, float_format="%.8g", lineterminator="\n")


def write_picture(path: Path, picture: Image.Image) -> None:
    """Writes a PNG."""
    with whole_file(path) as partial:
        picture.save(partial, format="PNG", optimize=True)
