"""What a running stage shows of itself: steps done, and the curves so far, in small files."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from klayer.training.job import Arrays, Job

SNAPSHOTS = Path(".klayer/snapshots")
LOCK = "running"  # a file that is locked as long as the stage's process lives


@dataclass(frozen=True)
class Snapshot:
    """What one job shows: network-steps done, and its curves, means over its networks."""

    done: int
    curves: dict[str, list[float]]


@contextmanager
def shown(stage: str) -> Iterator[Path]:
    """Gives the folder in which the stage shows itself, and removes it at the end.

    Where none can be made in .klayer, says so and gives a temporary one: a run does not fail for
    its looks.
    """
    folder = SNAPSHOTS / f"{stage}-{os.getpid()}"
    try:
        _clear()
        lock = _locked(folder)
    except OSError as error:
        print(
            f"{stage}: {SNAPSHOTS} cannot be written ({error.strerror}): `klayer watch` will not "
            "see this run",
            file=sys.stderr,
        )
        folder = Path(tempfile.mkdtemp())
        lock = _locked(folder)
    try:
        yield folder
    finally:
        lock.close()
        shutil.rmtree(folder, ignore_errors=True)


def _locked(folder: Path) -> IO[bytes]:
    """Makes the folder and its lock."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / LOCK).open("wb")
    with suppress(OSError):  # some network file systems have no locks
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _clear() -> None:
    """Removes what runs that were killed have left in .klayer/snapshots, and nothing else."""
    for left in SNAPSHOTS.glob("*-*"):
        if not _is_running(left):
            shutil.rmtree(left, ignore_errors=True)


def _is_running(folder: Path) -> bool:
    try:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def running(project: Path) -> dict[str, list[Snapshot]]:
    """By stage, what the runs show that are alive in a project's folder."""
    folders = sorted((project / SNAPSHOTS).glob("*-*"))
    return {path.name.rpartition("-")[0]: read(path) for path in folders if _is_running(path)}


def show(folder: Path, index: int, job: Job, step: int, history: Arrays) -> None:
    """Replaces what job `index` shows. Readers see the old or the new, never a half.

    What cannot be written is left out.
    """
    curves = {n: (v.mean(axis=1) if v.ndim == 2 else v).tolist() for n, v in history.items()}
    text = json.dumps({"done": step * len(job.l2), "curves": curves})
    partial, path = folder / f".{index}.partial", folder / f"{index}.json"
    with suppress(OSError):
        partial.write_text(text, encoding="ascii")
        partial.replace(path)


def read(folder: Path) -> list[Snapshot]:
    """What each job that has begun shows."""
    found = []
    for path in sorted(folder.glob("[0-9]*.json")):
        with suppress(OSError, ValueError, TypeError):  # a stage that ends removes its files
            found.append(Snapshot(**json.loads(path.read_text(encoding="ascii"))))
    return found
