"""Files are whole or absent, and hold finite numbers."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from klayer import files
from klayer.errors import KlayerError

PICTURE = Image.fromarray(np.random.default_rng(1).integers(0, 255, (500, 500, 3), np.uint8))
WRITERS: dict[str, Callable[[Path], None]] = {
    "text": lambda path: files.write_text(path, "x" * 1_000_000),
    "metrics": lambda path: files.write_metrics(path, {f"m{i}": i for i in range(20_000)}),
    "table": lambda path: files.write_table(path, pd.DataFrame({"a": range(50_000)})),
    "picture": lambda path: files.write_picture(path, PICTURE),
}
every_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@every_writer
def test_the_same_content_gives_the_same_bytes_and_nothing_else_is_left(
    tmp_path: Path, write: Any
) -> None:
    for name in ("one", "two"):
        write(tmp_path / "a" / name)
    assert sorted(os.listdir(tmp_path / "a")) == ["one", "two"]
    assert (tmp_path / "a/one").read_bytes() == (tmp_path / "a/two").read_bytes()


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
    with full_disk(), pytest.raises(KlayerError, match=f"cannot write {path} .File too large"):
        write(path)
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_text() == "old"


def test_an_exception_or_a_kill_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def half(end: Callable[[], None]) -> None:
        with files.whole_file(path) as partial:
            partial.write_text("half")
            end()

    with pytest.raises(KeyboardInterrupt):
        half(lambda: signal.default_int_handler(signal.SIGINT, None))
    assert os.listdir(tmp_path) == ["file"]
    if (child := os.fork()) == 0:
        half(lambda: os.kill(os.getpid(), signal.SIGKILL))
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert path.read_text() == "old"


@pytest.mark.parametrize("value", [float("nan"), -float("inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_metrics(tmp_path / "m.json", {"accuracy": 1.0, "loss": value})
    with pytest.raises(ValueError, match="a table has to be finite"):
        files.write_table(tmp_path / "t.csv", pd.DataFrame({"n": ["a", "b"], "v": [1, value]}))
    assert os.listdir(tmp_path) == []


def test_metrics_are_sorted_json_and_tables_hold_eight_digits(tmp_path: Path) -> None:
    files.write_metrics(tmp_path / "m.json", {"b": 1, "a": 0.1})
    assert (tmp_path / "m.json").read_text() == '{\n  "a": 0.1,\n  "b": 1\n}\n'
    files.write_table(tmp_path / "t.csv", pd.DataFrame({"n": ["x"], "v": [1 / 3]}))
    assert (tmp_path / "t.csv").read_text() == "n,v\nx,0.33333333\n"


def test_a_folder_holds_what_was_written_last_and_no_other_file(tmp_path: Path) -> None:
    files.write_folder(tmp_path / "a/folder", {"one": b"1", "two": b"2"})
    files.write_folder(tmp_path / "a/folder", {"two": b"3"})
    assert {p.name: p.read_bytes() for p in (tmp_path / "a/folder").iterdir()} == {"two": b"3"}
