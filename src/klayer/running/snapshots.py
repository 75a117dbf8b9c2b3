"""What a running stage shows of itself: steps done, and the curves so far, in small files."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from klayer.training.job import Arrays, Job

LIVE = Path(".klayer/live")


@dataclass(frozen=True)
class Snapshot:
    """What one population shows: network-steps done, and its curves, means over its networks."""

    done: int
    curves: dict[str, list[float]]


def start(stage: str) -> Path:
    """Makes the stage's folder anew and returns it."""
    folder = LIVE / stage
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def show(folder: Path, index: int, population: Job, step: int, history: Arrays) -> None:
    """Replaces what population `index` shows. Readers see the old or the new, never a half.

    What cannot be written is left out: a run does not fail for its looks.
    """
    done = step * len(population.l2)
    curves = {n: (v.mean(axis=1) if v.ndim == 2 else v).tolist() for n, v in history.items()}
    partial, path = folder / f".{index}.partial", folder / f"{index}.json"
    with suppress(OSError):
        partial.write_text(json.dumps({"done": done, "curves": curves}))
        partial.replace(path)


def read(folder: Path) -> list[Snapshot]:
    """What each population that has begun shows."""
    shown = []
    for path in sorted(folder.glob("[0-9]*.json")):
        with suppress(OSError):  # a stage that ends meanwhile removes its files
            shown.append(Snapshot(**json.loads(path.read_text())))
    return shown


def end(stage: str) -> None:
    """Removes the stage's folder."""
    shutil.rmtree(LIVE / stage, ignore_errors=True)
