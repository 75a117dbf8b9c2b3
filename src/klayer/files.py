"""Writes files whole or not at all: first under another name, then renamed."""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from klayer.errors import KlayerError, way_out

if TYPE_CHECKING:  # slow to import, and most workers write neither tables nor pictures
    import pandas as pd
    from PIL import Image


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on success it becomes `path`, on failure it is removed.

    Raises KlayerError when the disk is full or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")  # of this writer alone
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except Exception as error:
        if (refused := _refused(error)) is None:
            raise
        raise _cannot_write(path, refused) from error
    finally:
        with suppress(OSError):  # there is none after success
            partial.unlink()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Gives a temporary folder beside `path`; on success it takes the place of `path`, on failure
    it is removed.

    A folder that a killed run had just moved away comes back first. Other writers in the same place
    wait. Raises KlayerError when the disk is full or the folder cannot be written.
    """
    partial, old = (path.with_name(f".{path.name}.{kind}.partial") for kind in ("new", "old"))
    with _alone(path):
        try:
            if not os.path.lexists(path) and old.exists():
                old.rename(path)
            for leftover in (partial, old):  # of a run that was killed
                _remove(leftover)
            partial.mkdir()
            yield partial
            for name in os.listdir(partial):
                with (partial / name).open("rb+") as file:
                    os.fsync(file.fileno())
            if os.path.lexists(path):
                path.rename(old)
            try:
                partial.rename(path)
            except BaseException:
                if old.exists():
                    old.rename(path)
                raise
            _remove(old)
        except OSError as error:
            raise _cannot_write(path, error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)  # there is none after success


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Locks the folder of `path` against other writers, where its disk can; the system unlocks it
    when this process ends.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with suppress(OSError):  # some network disks lock no folders
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_UN)  # also where a process was forked meanwhile
        os.close(folder)


def _cannot_write(path: Path, error: OSError) -> KlayerError:
    return KlayerError(f"cannot write {path}: {error.strerror or error}: {way_out(error)}")


def _refused(error: Exception) -> OSError | None:
    """What the system refused, where there was such. Libraries written in Rust tell it as text."""
    if isinstance(error, OSError):
        return error
    code = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(code[1]), os.strerror(int(code[1]))) if code else None


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise KlayerError(
            f"cannot remove {path}, which an earlier run left: {error.strerror}: {way_out(error)}"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Writes text as UTF-8."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_metrics(path: Path, metrics: Mapping[str, float]) -> None:
    """Writes flat JSON with sorted keys. Raises ValueError for a number that is not finite."""
    for key, value in metrics.items():
        if not math.isfinite(value):
            raise ValueError(f"{path}: {key} is {value}, a metric has to be finite")
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
