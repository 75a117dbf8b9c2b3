"""Keeps the finished parts of a stage, so that one that was interrupted goes on where it stopped.

A part is kept under a digest of all that decides it: population, data, code and libraries. A stage
that ends well forgets its parts, so a forced run trains everything anew.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from klayer.data.dataset import PROCESSED
from klayer.files import write_arrays
from klayer.training.job import Job, Outcome

PARTS = Path(".klayer/parts")


@cache
def _surroundings() -> str:
    """Digest of the data, the package's code, and the versions of what computes.

    The training images, 138 MB, are told by their mean, deviation and labels.
    """
    versions = [version(name) for name in ("numpy", "scipy", "numba")]
    digest = hashlib.sha256(f"{platform.python_version()} {versions}".encode())
    code = sorted(Path(__file__).parent.glob("*.py"))
    data = set(PROCESSED.glob("*.npy")) - {PROCESSED / "train_images.npy"}
    for path in [*code, *sorted(data)]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def part_path(stage: str, population: Job, test: bool) -> Path:
    """Where the outcome of a population is kept."""
    settings = population.training.model_dump() | {"l2": population.l2, "seeds": population.seeds}
    text = json.dumps([settings, test, _surroundings()])
    return PARTS / stage / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"


def keep(path: Path, outcome: Outcome) -> None:
    """Writes the outcome of a population, whole or not at all."""
    groups = {group: getattr(outcome, group) for group in asdict(Outcome())}
    write_arrays(
        path, {f"{g}.{name}": a for g, arrays in groups.items() for name, a in arrays.items()}
    )


def find(path: Path) -> Outcome | None:
    """The outcome kept at `path`, or None where there is no whole one."""
    outcome = Outcome()
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            for key in arrays.files:
                group, name = key.split(".")
                getattr(outcome, group)[name] = arrays[key]
    except Exception:  # a damaged file can make the reader raise almost anything
        return None
    return outcome


def forget(stage: str) -> None:
    """Removes the parts of a stage."""
    shutil.rmtree(PARTS / stage, ignore_errors=True)
