from __future__ import annotations

import fcntl
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from klayer.running import snapshots
from klayer.running.snapshots import Snapshot
from klayer.running.watch import NOTHING, picture, running, watch

from klayer.cli import main


def snapshot(points: int, accuracy: float, first: int = 100) -> Snapshot:
    curves = {"step": [float(first * (i + 1)) for i in range(points)]}
    for part in ("train", "validation"):
        curves |= {f"{part}_loss": [2.0] * points, f"{part}_accuracy": [accuracy] * points}
    return Snapshot(first * points, curves)


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "20")


def test_shows_loss_and_accuracy_of_both_parts() -> None:
    text = picture({"train@x": [snapshot(5, 0.5)]})
    assert text.startswith("train@x: 500 network-steps, jobs: 1")
    for word in ("loss", "accuracy", "train", "validation", "step", "0.5"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text


def test_shows_means_over_jobs_as_far_as_all_have_come() -> None:
    text = picture({"search_l2": [snapshot(5, 0.1), snapshot(3, 0.3)]})
    assert "0.2" in text
    assert "0.1" not in text
    assert "500" not in text


def test_leaves_out_jobs_with_other_points() -> None:
    text = picture({"train_best": [snapshot(4, 0.5), snapshot(4, 0.9, first=150)]})
    assert "0.9" not in text


def test_says_that_there_is_no_point_yet() -> None:
    assert picture({"train@x": [snapshot(0, 0.5)]}).endswith("no point of the curves yet")
    assert picture({"train@x": []}).endswith("no point of the curves yet")


def test_says_that_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert picture(running()) == NOTHING


def write(project: Path, name: str, shown: Snapshot) -> Path:
    folder = project / ".klayer/snapshots" / name
    folder.mkdir(parents=True)
    (folder / "0.json").write_text(json.dumps(vars(shown)))
    (folder / "running").touch()
    return folder / "running"


def test_shows_runs_that_are_alive_here_and_in_temporary_experiments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    queued, single = Path(".dvc/tmp/exps/tmpq"), Path(".dvc/tmp/exps/standalone/tmps")
    alive = [
        write(tmp_path, "train@a-1", snapshot(3, 0.5)),
        write(queued, "search_l2-2", snapshot(3, 0.5)),
        write(single, "train@b-3", snapshot(3, 0.5)),
    ]
    write(tmp_path, "train@killed-4", snapshot(3, 0.5))
    with ExitStack() as stack:
        for path in alive:
            fcntl.flock(stack.enter_context(path.open("rb")), fcntl.LOCK_EX)
        assert list(running()) == ["train@a", "train@b in tmps", "search_l2 in tmpq"]
        result = CliRunner().invoke(main, ["watch"])  # into a pipe: once
        assert "train@a: 300 network-steps" in result.output
        assert "killed" not in result.output
    assert running() == {}


def test_ends_when_the_stages_have_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shows = [{}, {"train@x": [snapshot(2, 0.5)]}, {}, {}]
    monkeypatch.setattr("klayer.running.watch.EVERY", 0)
    monkeypatch.setattr("klayer.running.watch.GAP", 0)
    monkeypatch.setattr("klayer.running.watch.running", lambda: shows.pop(0))
    watch()
    assert len(shows) <= 2
    assert "train@x" in capsys.readouterr().out


def test_where_no_folder_can_be_made_nothing_else_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    others = tmp_path / "temporary/folder-of-others"
    others.mkdir(parents=True)
    Path(".klayer").write_text("a file of another program")
    with snapshots.shown("train@x") as folder:
        assert folder.parent == others.parent
    assert list(others.parent.iterdir()) == [others]
    assert "`klayer watch` will not see this run" in capsys.readouterr().err


def test_a_folder_of_another_user_that_cannot_be_entered_stops_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As root one may enter any, so that a path that is longer than allowed takes its place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(snapshots, "SNAPSHOTS", Path("x" * 300))
    with snapshots.shown("train@x") as folder:
        assert folder.is_dir()
    assert "`klayer watch` will not see this run" in capsys.readouterr().err


def test_a_run_removes_what_killed_runs_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "train@killed-4", snapshot(3, 0.5))
    with snapshots.shown("train@x") as folder:
        assert list(folder.parent.iterdir()) == [folder]
        assert list(running()) == ["train@x"]
    assert running() == {}
