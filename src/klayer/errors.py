"""The error that ends a command with one sentence, and the sentences for all other errors."""

from __future__ import annotations

import errno
import resource
import sys
import traceback
from pathlib import Path

STOPPED = (
    "stopped: nothing is left half-written, and networks that were finished are kept: run the same "
    "command again to go on"
)
WAYS_OUT: dict[int | None, str] = {
    None: "look at permissions and free space",  # some libraries do not pass on what it was
    errno.EACCES: "look at its owner and permissions",
    errno.EPERM: "look at its owner and permissions",
    errno.EROFS: "its disk is read-only: work in another folder",
    errno.ENOSPC: "make free space",
    errno.EDQUOT: "make free space within your quota",
    errno.EFBIG: "allow larger files, `ulimit -f unlimited`",
    errno.EEXIST: "move away what lies in its place",
    errno.ENOTDIR: "move away what lies in the place of its folder",
    errno.EISDIR: "move away what lies in its place",
    errno.EMFILE: "allow more open files, `ulimit -n 1024`",
    errno.ENFILE: "close other programs",
    errno.EAGAIN: "close other programs, or allow more processes, `ulimit -u`",
    errno.ENOMEM: "close other programs",
}


class KlayerError(Exception):
    """Something that the user can mend. Its text is one sentence or a few plain lines: what is
    wrong, with its name, and the way out. The command line prints it and exits with its status.
    """

    exit_status = 1


def way_out(error: OSError) -> str:
    """What to do about what the system refuses."""
    first = f"{WAYS_OUT[error.errno]}, then " if error.errno in WAYS_OUT else ""
    return f"{first}run the same command again"


def unusable(error: Exception) -> str:
    """What to say of a library that is missing or damaged, or that this Python cannot load."""
    what = f"{sys.executable} cannot load {getattr(error, 'name', None) or 'a library'}"
    reason, limit = " ".join(str(error).split()), resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and not isinstance(error, ModuleNotFoundError):
        return f"{what} in {limit >> 20} MB ({reason}): allow more memory, `ulimit -v unlimited`"
    return (
        f"{what} ({reason}): use the project's environment, `make shell` or `source "
        ".venv/bin/activate`; `make clean repro` makes it anew"
    )


def sentence(error: BaseException) -> str:
    """What the command line says of an error, with the way out."""
    match error:
        case KlayerError():
            return str(error)
        case KeyboardInterrupt():
            return STOPPED
        case MemoryError():
            return "out of memory: close other programs, or train less at once"
        case OSError() if "shared object" in str(error):  # as Numba's library tells it
            return unusable(error)
        case OSError():
            name, reason = error.filename or "a file", error.strerror or error
            return f"{name} cannot be used ({reason}): {way_out(error)}"
        case ImportError() if (error.name or "klayer").split(".")[0] != "klayer":
            return unusable(error)
        case ImportError() if ".dvc" in Path.cwd().parts:  # the folder of --queue or --temp
            return (
                f"{error}: an experiment of `--queue` or `--temp` has the files that Git tracks: "
                "`git add` new ones first"
            )
        case RuntimeError() if "can't start new thread" in str(error):
            return f"no more threads can be started: {WAYS_OUT[errno.EAGAIN]}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "klayer" in Path(frame.filename).parts] or frames
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return (
        f"a fault of klayer itself ({reason}, in {ours[-1].filename}, line {ours[-1].lineno}): "
        "nothing is left half-written; `python -X dev -m klayer ...` shows all of it"
    )
