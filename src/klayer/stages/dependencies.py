"""What a stage depends on must not change while it runs.

DVC records the dependencies of a stage after its command has ended: what is edited meanwhile would
be recorded for a result of what was there before, which then counts as up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ruamel.yaml import YAML

from klayer.errors import KlayerError

EDITED = (".yaml", ".lock")  # besides code; what stages write is left alone by DVC meanwhile


@contextmanager
def unchanged(stage: str) -> Iterator[None]:
    """Around a stage of dvc.yaml, by the address that DVC gives it: train@NAME, or
    folder/dvc.yaml:train@NAME.

    Raises KlayerError at its end when code or settings on which it depends are others by then.
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
    """Every file of code and settings among a stage's dependencies."""
    if not (pipeline := Path("dvc.yaml")).exists():  # a stage of the user's own, elsewhere
        return {}
    stages = YAML(typ="safe", pure=True).load(pipeline)["stages"]
    entry = stages.get(stage.rpartition(":")[2].partition("@")[0], {})
    named = [Path(path) for path in entry.get("do", entry).get("deps", [])]
    edited = [path for path in named if path.parts[0] == "src" or path.suffix in EDITED]
    files = [file for path in edited for file in (path.rglob("*") if path.is_dir() else [path])]
    return {
        file: file.read_bytes()
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    }
