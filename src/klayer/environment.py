"""Guards against results that would be silently wrong or lost: code of another folder, a shallow
clone, an edit while a stage runs, a process whose parent has ended.
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

SETTINGS = (".yaml", ".json", ".lock")  # endings of files with settings


def check_folder() -> None:
    """Checks the working folder before any work. Raises KlayerError in two cases:

    - The folder has code of klayer, but other code runs, as in a second clone: an environment knows
      one folder of klayer, and results belong to the code of their folder.
    - DVC runs an experiment of a shallow clone: it fetches the results with Git, which refuses, and
      prints no error.
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
    """The project's folder, when DVC runs an experiment in a temporary folder below `.dvc`; else
    empty.
    """
    return [path.parent for path in Path.cwd().parents if path.name == ".dvc"]


@contextmanager
def unchanged(stage: str) -> Iterator[None]:
    """Wraps a stage of dvc.yaml. DVC calls it train@NAME or folder/dvc.yaml:train@NAME.

    DVC records the dependencies of a stage when its command has ended. After an edit in between, a
    result of the old files would count as up to date with the new ones. Raises KlayerError at the
    end when code or settings that the stage depends on have changed.
    """
    before = _contents(stage)
    yield
    after = _contents(stage)
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            raise KlayerError(
                f"{path} was changed while {stage} ran, and DVC would record the new file for the "
                "old result: run `dvc repro` again"
            )


def _contents(stage: str) -> dict[Path, bytes]:
    """The files of code and settings among a stage's dependencies. Outputs of other stages are not
    read: DVC locks them.
    """
    if not (pipeline := Path("dvc.yaml")).exists():  # a stage of another project
        return {}
    stages = YAML(typ="safe", pure=True).load(pipeline)["stages"]
    entry = stages.get(stage.rpartition(":")[2].partition("@")[0], {})
    deps = [Path(path) for path in entry.get("do", entry).get("deps", [])]
    deps = [path for path in deps if path.parts[0] == "src" or path.suffix in SETTINGS]
    files = [file for path in deps for file in (path, *path.rglob("*"))]
    files = [file for file in files if file.is_file() and "__pycache__" not in file.parts]
    return {file: file.read_bytes() for file in files}


def end_with(parent: int) -> None:
    """Ends this process within a second after its parent, so that no process keeps running."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
