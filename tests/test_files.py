"""Files are whole or absent, and hold finite numbers."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import save_file

from klayer import files
from klayer.errors import KlayerError

BIG = 1_000_000


def write_networks(path: Path) -> None:
    """Through safetensors, whose errors are none of the system's."""
    with files.whole_file(path) as partial:
        save_file({"W1": np.ones(BIG, np.float32)}, partial)


WRITERS: dict[str, Callable[[Path], None]] = {
    "text": lambda path: files.write_text(path, "x" * BIG),
    "metrics": lambda path: files.write_metrics(path, {f"m{i}": i for i in range(20_000)}),
    "table": lambda path: files.write_table(path, pd.DataFrame({"a": range(50_000)})),
    "picture": lambda path: files.write_picture(
        path, Image.fromarray(np.random.default_rng(1).integers(0, 255, (500, 500, 3), np.uint8))
    ),
    "networks": lambda path: write_networks(path),
}
every_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@every_writer
def test_folders_are_made_and_nothing_else_is_left(tmp_path: Path, write: Any) -> None:
    write(tmp_path / "a" / "b" / "file")
    assert os.listdir(tmp_path / "a" / "b") == ["file"]


@every_writer
def test_the_same_content_gives_the_same_bytes(tmp_path: Path, write: Any) -> None:
    for name in ("one", "two"):
        write(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond 10,000 bytes: for a moment only, as pytest's output may be one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@every_writer
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    said = f"cannot write {path}: File too large: allow larger files, `ulimit -f unlimited`"
    with full_disk(), pytest.raises(KlayerError, match=said):
        write(path)
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_text() == "old"


def test_what_numpy_does_not_pass_on_has_a_way_out(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(KlayerError, match="look at permissions and free space"):  # noqa: SIM117
        with files.whole_file(tmp_path / "file") as partial, partial.open("wb") as file:
            np.save(file, np.ones(BIG))
    assert os.listdir(tmp_path) == []


@every_writer
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_error_at_the_end_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place: Any = os if call == "fsync" else Path
    monkeypatch.setattr(place, call, fail)
    with pytest.raises(KlayerError, match="No space left on device"):
        write(tmp_path / "file")
    assert os.listdir(tmp_path) == []


@every_writer
def test_a_file_in_the_place_of_the_folder(tmp_path: Path, write: Any) -> None:
    (tmp_path / "metrics").write_text("a file")
    with pytest.raises(KlayerError, match=r"cannot write .*metrics/file: "):
        write(tmp_path / "metrics" / "file")


READ_ONLY = """
import os
from pathlib import Path
from klayer.files import write_text
from klayer import files
from klayer.errors import KlayerError
os.chmod(".", 0o555)
if os.getuid() == 0:
    os.setuid(65534)
try:
    write_text(Path("file"), "text")
except KlayerError as error:
    print(error)
"""


def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", READ_ONLY], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("cannot write file: Permission denied: look at its owner")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_in_the_middle_leaves_the_old_file(tmp_path: Path, error: Any) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def half() -> None:
        with files.whole_file(path) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        half()
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_text() == "old"


def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    if (child := os.fork()) == 0:
        with files.whole_file(path) as partial:
            partial.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert path.read_text() == "old"
    assert [name for name in os.listdir(tmp_path) if not name.endswith(".partial")] == ["file"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), np.float32("nan")])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match=r"loss is (nan|inf|-inf), a metric has to be finite"):
        files.write_metrics(tmp_path / "m.json", {"accuracy": 1.0, "loss": value})
    with pytest.raises(ValueError, match="a table has to be finite"):
        files.write_table(tmp_path / "t.csv", pd.DataFrame({"n": ["a", "b"], "v": [1, value]}))
    assert os.listdir(tmp_path) == []


def test_metrics_are_sorted_json(tmp_path: Path) -> None:
    files.write_metrics(tmp_path / "m.json", {"b": 1, "a": 0.1})
    assert (tmp_path / "m.json").read_text() == '{\n  "a": 0.1,\n  "b": 1\n}\n'
    assert json.loads((tmp_path / "m.json").read_text()) == {"a": 0.1, "b": 1}


def test_tables_hold_eight_digits(tmp_path: Path) -> None:
    files.write_table(tmp_path / "t.csv", pd.DataFrame({"n": ["x"], "v": [1 / 3]}))
    assert (tmp_path / "t.csv").read_text() == "n,v\nx,0.33333333\n"


@pytest.mark.parametrize("kind", ["new", "old"])
def test_a_leftover_that_cannot_be_removed_is_named(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / f".settings.{kind}.partial"
    left.mkdir()

    def refused(*_: object, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise PermissionError(13, "Permission denied", "inside")

    monkeypatch.setattr("shutil.rmtree", refused)
    with pytest.raises(KlayerError) as caught, files.whole_folder(tmp_path / "settings"):
        pass
    assert str(caught.value) == (
        f"cannot remove {left}, which an earlier run left: Permission denied: look at its owner "
        "and permissions, then run the same command again"
    )


def write_folder(path: Path, text: str) -> None:
    with files.whole_folder(path) as partial:
        (partial / "file").write_text(text)


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_kill_at_any_rename_loses_no_folder(tmp_path: Path, renames: int) -> None:
    """Of a folder that is replaced: the next writer finds the old one or the new one whole."""
    path = tmp_path / "images"
    write_folder(path, "old")
    if (child := os.fork()) == 0:
        left, rename = iter(range(renames)), Path.rename

        def killed(self: Path, target: Path) -> Path:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return rename(self, target)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "rename", killed)
            patch.setattr(shutil, "rmtree", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            write_folder(path, "new")
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert path.exists() == (renames != 1)
    with files.whole_folder(path) as partial:
        assert (path / "file").read_text() == ("new" if renames == 2 else "old")
        (partial / "file").write_text("last")
    assert os.listdir(tmp_path) == ["images"]
    assert (path / "file").read_text() == "last"


def test_a_rename_that_is_refused_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "images", Path.rename
    write_folder(path, "old")

    def refused(self: Path, target: Path) -> Path:
        if self.name == ".images.new.partial":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(KlayerError, match="Input/output error"):
        write_folder(path, "new")
    assert os.listdir(tmp_path) == ["images"]
    assert (path / "file").read_text() == "old"


def test_writers_of_one_folder_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "images"
    children = []
    with files.whole_folder(path) as partial:
        for name in ("a", "b"):
            children.append(os.fork())
            if children[-1] == 0:
                write_folder(path, name)
                os._exit(0)
        time.sleep(0.2)  # they would remove or replace what is being written
        assert (partial.exists(), path.exists()) == (True, False)
        (partial / "file").write_text("first")
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert os.listdir(tmp_path) == ["images"]
    assert (path / "file").read_text() in ("a", "b")


def test_writers_of_one_file_have_files_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with files.whole_file(path) as one, files.whole_file(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"
    assert os.listdir(tmp_path) == ["file"]
