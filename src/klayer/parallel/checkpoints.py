"""Keeps the finished networks of a stage, so that an interrupted one goes on where it stopped.

The outcome of a job is kept under a digest of all that decides its bytes: settings, data, code and
libraries. A stage that ends well forgets its outcomes, so a forced run trains everything again.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from klayer.data.dataset import PROCESSED
from klayer.files import whole_file
from klayer.parallel.digests import identity, images_digest
from klayer.training.trainer import Job, Outcome

CHECKPOINTS = Path(".klayer/checkpoints")
ARRAYS = ("curves", "layers", "predictions", "network")


def keep(stage: str, job: Job, outcome: Outcome) -> None:
    """Writes the outcome of a job, whole or not at all. Raises KlayerError where it cannot."""
    arrays = {f"{g}.{n}": a for g in ARRAYS for n, a in getattr(outcome, g).items()}
    row = np.frombuffer(json.dumps(outcome.row).encode(), np.uint8)
    np.savez(content := io.BytesIO(), row=row, **arrays)
    with whole_file(_path(stage, job)) as partial:
        partial.write_bytes(hashlib.sha256(content.getbuffer()).digest() + content.getbuffer())


def find(stage: str, job: Job) -> Outcome | None:
    """The outcome that was kept of a job, or None where there is no whole one."""
    try:
        kept = _path(stage, job).read_bytes()
    except FileNotFoundError:
        return None
    digest, content = kept[:32], kept[32:]
    if hashlib.sha256(content).digest() != digest:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        outcome = Outcome(row=json.loads(arrays["row"].tobytes()))
        for key in set(arrays.files) - {"row"}:
            group, _, name = key.partition(".")
            getattr(outcome, group)[name] = arrays[key]
    return outcome


def forget(stage: str) -> None:
    """Removes the kept jobs of a stage, and the folder when it holds no others."""
    shutil.rmtree(CHECKPOINTS / stage, ignore_errors=True)
    with suppress(OSError):
        CHECKPOINTS.rmdir()


def _path(stage: str, job: Job) -> Path:
    settings = asdict(job) | {"training": job.training.model_dump()}
    text = json.dumps([settings, identity(), images_digest(PROCESSED)])
    return CHECKPOINTS / stage / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.kept"
