"""What could change or lose a result without a word: other code, a shallow clone, a lost parent."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import klayer
from klayer.errors import KlayerError


def check_code() -> None:
    """Raises KlayerError when the folder has klayer's code, and other code is running.

    An environment holds klayer at one place, whatever the folder; an experiment of DVC, a worktree
    or a second clone has code of its own, and results belong to that.
    """
    here, running = Path("src/klayer"), Path(klayer.__file__).parent
    if here.is_dir() and not here.samefile(running):
        raise KlayerError(
            f"the code of {running} would run, not that of this folder: put it first, "
            "`PYTHONPATH=src python -m klayer ...`"
        )


def projects_around() -> list[Path]:
    """Of an experiment's temporary folder, below `.dvc`, the project's own one; else none."""
    return [path.parent for path in Path.cwd().parents if path.name == ".dvc"]


def check_clone() -> None:
    """Raises KlayerError in the temporary folder of an experiment whose results DVC would lose.

    DVC hands them over by a fetch, which Git refuses where the clone is shallow, and says nothing.
    """
    if any((project / ".git/shallow").exists() for project in projects_around()):
        raise KlayerError(
            "this clone is shallow, as `git clone --depth` makes it, and DVC would lose the "
            "results of `--queue` and `--temp`: run `git fetch --unshallow` first"
        )


def end_with(parent: int) -> None:
    """Ends this process within a second of its parent, so that nothing is left running."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
