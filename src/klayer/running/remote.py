"""What a task needs in a process that was not started from here: the same code and libraries, the
images, and one thread for BLAS.
"""

from __future__ import annotations

import hashlib
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path

from threadpoolctl import threadpool_limits

import klayer
from klayer.files import whole_folder

Identity = dict[str, str]
Files = dict[str, bytes]

_lock = threading.Lock()  # a worker may have several threads


@cache
def identity() -> Identity:
    """Versions of what computes, and a digest of klayer's code."""
    python = ".".join(platform.python_version_tuple()[:2])
    libraries = {name: version(name) for name in ("numpy", "scipy", "numba")}
    return {"python": python, **libraries, "klayer's code": code_digest()[:12]}


def difference(there: Identity) -> str | None:
    """How this process differs from the one that asks, in a sentence, or None."""
    for name, wanted in there.items():
        if (found := identity().get(name)) != wanted:
            return (
                f"it has {name} {found}, and {wanted} is needed: start it in the same environment, "
                "with the same code of klayer"
            )
    return None


def code_digest() -> str:
    """Of klayer's source files."""
    code = hashlib.sha256()
    root = Path(klayer.__file__).parent
    for path in sorted(root.rglob("*.py")):
        code.update(f"{path.relative_to(root)} ".encode() + path.read_bytes())
    return code.hexdigest()


def digest(folder: Path) -> str:
    """Of the prepared images. The training images, 138 MB, are told by mean, deviation, labels."""
    found = hashlib.sha256()
    for path in sorted(set(folder.glob("*.npy")) - {folder / "train_images.npy"}):
        found.update(f"{path.name} {path.stat().st_size} ".encode() + path.read_bytes())
    return found.hexdigest()


def files(folder: Path) -> Files:
    """The prepared images as they are on disk."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.npy"))}


def images(shared: Path, wanted: str, carried: Files | None, scratch: Path) -> Path | None:
    """The folder of the images with this digest: the shared one, or one of this worker's own, which
    `carried` fills. None when neither is there.
    """
    own = scratch / f"klayer-images-{wanted[:16]}"
    with _lock:
        if _holds(shared, wanted):
            return shared
        if not own.is_dir() and carried:
            with whole_folder(own) as partial:
                for name, content in carried.items():
                    (partial / name).write_bytes(content)
        return own if own.is_dir() else None


@cache
def _holds(folder: Path, wanted: str) -> bool:
    try:
        return (folder / "train_images.npy").is_file() and digest(folder) == wanted
    except OSError:
        return False


class _Limit:
    """Held as long as any thread trains: a limit of its own for each would end with the first."""

    users = 0
    limits: threadpool_limits | None = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One thread for BLAS in this process, until the last of several such contexts ends."""
    with _lock:
        if _Limit.users == 0:
            _Limit.limits = threadpool_limits(1)
        _Limit.users += 1
    try:
        yield
    finally:
        with _lock:
            _Limit.users -= 1
            if _Limit.users == 0 and _Limit.limits:
                _Limit.limits.restore_original_limits()
