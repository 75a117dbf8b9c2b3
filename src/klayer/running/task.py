"""A job on its way to a worker, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from klayer.training.job import Job, Outcome


@dataclass(frozen=True)
class Task:
    """A job of a stage."""

    name: str
    job: Job
    index: int
    test: bool
    folder: Path  # where progress is shown
    data: Path  # the prepared images


@dataclass(frozen=True)
class Trained:
    """The outcome of a task."""

    index: int
    outcome: Outcome
    kernels: str | None  # see arithmetic.in_use
    worker: str = ""  # the address of one that is not of this machine's own
