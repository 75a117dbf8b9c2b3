"""What could change or lose a result without a word: other code, a shallow clone, an edit of what a
stage depends on while it runs, a lost parent.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ruamel.yaml import YAML

import klayer
from klayer.errors import KlayerError

EDITED = (".yaml", ".json", ".lock")  # of settings


def check_folder() -> None:
    """Before any work. Raises KlayerError in two folders:

    - with code of klayer that is not the one that runs, as in a second clone: an environment holds
      klayer at one place, and results belong to the code of their folder;
    - of an experiment in a shallow clone: DVC hands its results over by a fetch, which Git refuses
      there, and says nothing.
    """
    here, running = Path("src/klayer"), Path(klayer.__file__).parent
    if here.is_dir() and not here.samefile(running):
        raise KlayerError(
            f"the code of {running} would run, not that of this folder: put it first, "
            "`PYTHONPATH=src python -m klayer ...`"
        )
    if any((project / ".git/shallow").exists() for project in projects_around()):
        raise KlayerError(
            "this clone is shallow, as `git clone --depth` makes it, and DVC would lose the "
            "results of `--queue` and `--temp`: run `git fetch --unshallow` first"
        )


def projects_around() -> list[Path]:
    """Of an experiment's temporary folder, below `.dvc`, the project's own one; else none."""
    return [path.parent for path in Path.cwd().parents if path.name == ".dvc"]


@contextmanager
def unchanged(stage: str) -> Iterator[None]:
    """Around a stage of dvc.yaml, by the address that DVC gives it: train@NAME, or
    folder/dvc.yaml:train@NAME.

    DVC records the dependencies of a stage after its command has ended: what is edited meanwhile
    would be recorded for a result of what was there before, which then counts as up to date.
    Raises KlayerError at the end when code or settings on which the stage depends are others.
    """
    before = _contents(stage)
    yield
    after = _contents(stage)
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            raise KlayerError(
                f"{path} was changed while {stage} ran, and DVC would record it for a result of "
                "what was there before: run `dvc repro` again"
            )


def _contents(stage: str) -> dict[Path, bytes]:
    """Every file of code and settings among a stage's dependencies. What stages write is left
    alone by DVC meanwhile.
    """
    if not (pipeline := Path("dvc.yaml")).exists():  # a stage of the user's own, elsewhere
        return {}
    stages = YAML(typ="safe", pure=True).load(pipeline)["stages"]
    entry = stages.get(stage.rpartition(":")[2].partition("@")[0], {})
    named = [Path(path) for path in entry.get("do", entry).get("deps", [])]
    edited = [path for path in named if path.parts[0] == "src" or path.suffix in EDITED]
    files = [file for path in edited for file in (path, *path.rglob("*"))]
    code = [file for file in files if file.is_file() and "__pycache__" not in file.parts]
    return {file: file.read_bytes() for file in code}


def end_with(parent: int) -> None:
    """Ends this process within a second of its parent, so that nothing is left running."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
