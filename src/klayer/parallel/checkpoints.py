"""Checkpoints: the finished networks of a stage, so that an interrupted stage can continue.

The name of a checkpoint is a digest of all that decides its bytes: settings, data, code, libraries.
A stage that ends well removes its checkpoints, so `dvc repro --force` trains all networks again.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

import klayer
from klayer.data.dataset import PROCESSED
from klayer.files import whole_file
from klayer.training.trainer import Job, Outcome

CHECKPOINTS = Path(".klayer/checkpoints")
GROUPS = ("curves", "layers", "predictions", "network")  # of the arrays of an outcome


def keep(stage: str, job: Job, outcome: Outcome) -> None:
    """Writes a checkpoint, whole or not at all. Raises KlayerError when it cannot be written."""
    arrays = {f"{g}.{n}": a for g in GROUPS for n, a in getattr(outcome, g).items()}
    np.savez(file := io.BytesIO(), row=np.array(json.dumps(outcome.row)), **arrays)
    content = file.getvalue()
    with whole_file(_path(stage, job)) as partial:
        partial.write_bytes(hashlib.sha256(content).digest() + content)


def find(stage: str, job: Job) -> Outcome | None:
    """The outcome in the checkpoint of a job; None when there is none, or it is damaged."""
    try:
        kept = _path(stage, job).read_bytes()
    except FileNotFoundError:
        return None
    if hashlib.sha256(kept[32:]).digest() != kept[:32]:
        return None
    with np.load(io.BytesIO(kept[32:]), allow_pickle=False) as arrays:
        outcome = Outcome(row=json.loads(str(arrays["row"])))
        for key in set(arrays.files) - {"row"}:
            group, _, name = key.partition(".")
            getattr(outcome, group)[name] = arrays[key]
    return outcome


def forget(stage: str) -> None:
    """Removes the checkpoints of a stage."""
    shutil.rmtree(CHECKPOINTS / stage, ignore_errors=True)


def _path(stage: str, job: Job) -> Path:
    digest = hashlib.sha256(repr((job, identity(), _images())).encode()).hexdigest()
    return CHECKPOINTS / stage / f"{digest[:32]}.kept"


@cache
def identity() -> dict[str, str]:
    """The versions of Python and of the libraries that compute, and a digest of klayer's code.
    Processes with the same identity train the same network.
    """
    return {
        "python": platform.python_version().rpartition(".")[0],
        "klayer's code": _digest(Path(klayer.__file__).parent.rglob("*.py")),
        **{name: version(name) for name in ("llvmlite", "numba", "numpy")},
    }


@cache
def _images() -> str:
    """A digest of the prepared images; mean and deviation stand for the large training images."""
    return _digest(set(PROCESSED.iterdir()) - {PROCESSED / "train_images.npy"})


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.name} ".encode() + path.read_bytes())
    return digest.hexdigest()
