"""What a command takes from the user's environment, and what it does not."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import klayer
from klayer.errors import KlayerError

PROC = Path("/proc")  # of Linux: proc(5)
# Settings of joblib and tqdm, and a time that build systems leave, which SciPy's import reads.
PUT_ASIDE = ("JOBLIB_", "LOKY_", "TQDM_", "SOURCE_DATE_EPOCH")
# Of joblib when a run is stopped: what it cleans up is nothing that a user could mend.
CLEANING = ("joblib.parallel", "joblib.externals.loky.backend.resource_tracker")
OWN_WARNINGS = {"default", "default::BytesWarning", "error::BytesWarning"}  # of -X dev, -b, -bb


def mend_streams() -> None:
    """Replaces closed standard streams, whose numbers the next files would get, and lets letters
    that a terminal cannot show be written as escapes.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
            os.set_inheritable(number, True)  # workers need one as well
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115
        elif number and hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


def isolate() -> None:
    """Puts aside the variables that would end a stage."""
    for name, value in list(os.environ.items()):
        wanted = name == "LOKY_MAX_CPU_COUNT" and value  # an empty one is as good as none
        if name.startswith(PUT_ASIDE) and not wanted:
            del os.environ[name]
    os.environ["PYTHONSAFEPATH"] = "1"  # for workers
    if sys.warnoptions:  # PYTHONWARNINGS=error makes a library's remark end a run
        os.environ.pop("PYTHONWARNINGS", None)
        # what Python put there itself has to stay: subprocess looks for it
        sys.warnoptions[:] = [option for option in sys.warnoptions if option in OWN_WARNINGS]
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", UserWarning)
    os.environ["PYTHONWARNINGS"] = ",".join(f"ignore::UserWarning:{module}" for module in CLEANING)
    warnings.filterwarnings("ignore", category=UserWarning, module="|".join(CLEANING))


def check_code() -> None:
    """Raises KlayerError when the folder has klayer's code, and other code is running, or when it
    has lost its links to the project's code and data, as studies/ may.

    An environment holds klayer at one place, whatever the folder; an experiment of DVC, a worktree
    or a second clone has code of its own, and results belong to that.
    """
    for link in ("src", "data"):
        if Path(link).is_file():
            raise KlayerError(
                f"{link} is a file here, which Git writes where a disk keeps no links: run "
                f"`git config core.symlinks true && git checkout {link}`, or clone to another disk"
            )
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
    threading.Thread(target=_watch, args=(parent, []), daemon=True).start()


def end_with_dvc(parent: int) -> None:
    """Ends this stage within a second of its parent, and of the dvc that runs it.

    Where dvc went before `parent` was asked for, that is who adopted the stage. So whom DVC names
    at work, in `.dvc/tmp/rwlock`, is watched too; a shell may stand between dvc and the stage.
    """
    dvc: list[Path] = []
    with suppress(OSError):
        named = re.findall(r'"pid": (\d+)', Path(".dvc/tmp/rwlock").read_text(errors="replace"))
        dvc = [PROC / pid / "stat" for pid in named if (PROC / "self/stat").exists()]
    threading.Thread(target=_watch, args=(parent, dvc), daemon=True).start()


def _watch(parent: int, dvc: Sequence[Path]) -> None:
    while os.getppid() == parent and (not dvc or any(map(_runs, dvc))):
        time.sleep(0.5)
    os._exit(1)


def _runs(stat: Path) -> bool:
    """Whether a process is there, and not only waits for its parent to take note of its end."""
    try:
        return stat.read_text(errors="replace").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
