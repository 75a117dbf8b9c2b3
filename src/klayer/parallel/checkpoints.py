"""Keeps the finished networks of a stage, so that an interrupted one goes on where it stopped.

The outcome of a job is kept under a digest of all that decides its bytes: settings, data, code and
libraries. A stage that ends well forgets its outcomes, so a forced run trains everything again.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from klayer.data.dataset import PROCESSED
from klayer.files import whole_file
from klayer.parallel.digests import identity, images_digest
from klayer.training.job import Job, Outcome

CHECKPOINTS = Path(".klayer/checkpoints")
ARRAYS = ("curves", "layers", "predictions", "network")


class Checkpoints:
    """The finished jobs of a stage. Where none can be kept, says so, and keeps none."""

    def __init__(self, stage: str) -> None:
        self.stage, self.folder, self.usable = stage, CHECKPOINTS / stage, True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / ".writable").touch()
            (self.folder / ".writable").unlink()
        except OSError as error:
            self.usable = False
            print(
                f"{stage}: {self.folder} cannot be written ({error.strerror}): an interrupted run "
                "would start from scratch",
                file=sys.stderr,
            )

    def keep(self, job: Job, outcome: Outcome) -> None:
        """Writes the outcome of a job, whole or not at all. Raises KlayerError where it cannot."""
        if not self.usable:
            return
        arrays = {f"{g}.{n}": a for g in ARRAYS for n, a in getattr(outcome, g).items()}
        row = np.frombuffer(json.dumps(outcome.row).encode(), np.uint8)
        np.savez(content := io.BytesIO(), row=row, **arrays)
        with whole_file(self._path(job)) as partial:
            partial.write_bytes(hashlib.sha256(content.getbuffer()).digest() + content.getbuffer())

    def find(self, job: Job) -> Outcome | None:
        """The outcome that was kept of a job, or None where there is no whole one."""
        try:
            kept = self._path(job).read_bytes()
        except OSError:
            return None
        digest, content = kept[:32], kept[32:]
        if hashlib.sha256(content).digest() != digest:
            return None
        outcome = Outcome()
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            outcome.row = json.loads(arrays["row"].tobytes())
            for key in set(arrays.files) - {"row"}:
                group, _, name = key.partition(".")
                getattr(outcome, group)[name] = arrays[key]
        return outcome

    def _path(self, job: Job) -> Path:
        about = asdict(job) | {"training": job.training.model_dump()}
        text = json.dumps([about, identity(), images_digest(PROCESSED)])
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.kept"


def forget(stage: str) -> None:
    """Removes the kept jobs of a stage, and the folder when it holds no others."""
    shutil.rmtree(CHECKPOINTS / stage, ignore_errors=True)
    with suppress(OSError):
        CHECKPOINTS.rmdir()
