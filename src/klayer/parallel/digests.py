"""Digests that tell whether two processes would train the same network."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

import klayer

LIBRARIES = ("llvmlite", "numba", "numpy")  # those that compute


@cache
def identity() -> dict[str, str]:
    """The versions of Python and of the libraries that compute, and a digest of klayer's code."""
    code, root = hashlib.sha256(), Path(klayer.__file__).parent
    for path in sorted(root.rglob("*.py")):
        code.update(f"{path.relative_to(root)} ".encode() + path.read_bytes())
    python = ".".join(platform.python_version_tuple()[:2])
    libraries = {name: version(name) for name in LIBRARIES}
    return {"python": python, **libraries, "klayer's code": code.hexdigest()[:16]}


@cache
def images_digest(folder: Path) -> str:
    """Of the prepared images: their mean, deviation and labels stand for the training images."""
    digest = hashlib.sha256()
    for path in sorted(set(folder.iterdir()) - {folder / "train_images.npy"}):
        digest.update(f"{path.name} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()
