"""Keeps the finished jobs of a stage, so that one that was interrupted goes on where it stopped.

A job is kept under a digest of all that decides its bytes: settings, data, code, libraries and
kernels. A stage that ends well forgets its jobs, so a forced run trains everything anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import sys
from contextlib import suppress
from dataclasses import fields
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from klayer.data.dataset import PROCESSED
from klayer.files import whole_file
from klayer.running import arithmetic, remote
from klayer.training.job import Job, Outcome

CHECKPOINTS = Path(".klayer/checkpoints")


@cache
def _common() -> str:
    """Digest of what all jobs have in common: data, code, versions and kernels of what computes."""
    versions = [version(name) for name in ("numpy", "scipy", "numba")]
    text = f"{platform.python_version()} {platform.machine()} {versions} {arithmetic.in_use()}"
    found = f"{text} {remote.code_digest()} {remote.digest(PROCESSED)}"
    return hashlib.sha256(found.encode()).hexdigest()


def path_of(stage: str, job: Job, test: bool) -> Path:
    """Where the outcome of a job is kept."""
    text = json.dumps([job.training.model_dump(), job.l2, job.seeds, test, _common()])
    return CHECKPOINTS / stage / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.kept"


def can_keep(stage: str) -> bool:
    """Whether finished jobs can be kept; says so where they cannot."""
    folder = CHECKPOINTS / stage
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        print(
            f"{stage}: {folder} cannot be written ({error.strerror}): an interrupted run would "
            "begin anew",
            file=sys.stderr,
        )
        return False
    return True


def keep(path: Path, outcome: Outcome) -> None:
    """Writes the outcome of a job, whole or not at all. Raises KlayerError where it cannot."""
    groups = {field.name: getattr(outcome, field.name) for field in fields(Outcome)}
    arrays = {f"{g}.{name}": a for g, named in groups.items() for name, a in named.items()}
    np.savez(content := io.BytesIO(), **arrays)
    with whole_file(path) as partial:
        partial.write_bytes(hashlib.sha256(content.getbuffer()).digest() + content.getbuffer())


def find(path: Path) -> Outcome | None:
    """The outcome kept at `path`, or None where there is no whole one."""
    try:
        kept = path.read_bytes()
    except OSError:
        return None
    digest, content = kept[:32], kept[32:]
    if hashlib.sha256(content).digest() != digest:
        return None
    outcome = Outcome()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        for key in arrays.files:
            group, name = key.split(".")
            getattr(outcome, group)[name] = arrays[key]
    return outcome


def forget(stage: str) -> None:
    """Removes the kept jobs of a stage, and the folder when it holds no others."""
    shutil.rmtree(CHECKPOINTS / stage, ignore_errors=True)
    with suppress(OSError):
        CHECKPOINTS.rmdir()
