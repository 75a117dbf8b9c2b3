"""What could change or lose a result without a word: other code, a shallow clone, a lost parent."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
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


def end_with_dvc(parent: int) -> None:
    """Ends this stage within a second of its parent, and of the dvc that runs it.

    Where dvc was killed before `parent` was asked for, that is who adopted the stage. So the dvc
    that `.dvc/tmp/rwlock` names is watched too; a shell may stand between it and the stage.
    """
    processes: list[Path] = []
    if Path("/proc/self").exists():  # of Linux: proc(5)
        with suppress(OSError):
            names = re.findall(r'"pid": (\d+)', Path(".dvc/tmp/rwlock").read_text(errors="replace"))
            processes = [Path("/proc", pid, "stat") for pid in names]
    end_with(parent, processes)


def end_with(parent: int, others: Sequence[Path] = ()) -> None:
    """Ends this process within a second of its parent, and of all others, named by their
    /proc/PID/stat, so that nothing is left running.
    """

    def watch() -> None:
        while os.getppid() == parent and (not others or any(map(_runs, others))):
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _runs(stat: Path) -> bool:
    """Whether a process is there, and not only waits for its parent to take note of its end."""
    try:
        return stat.read_text(errors="replace").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
