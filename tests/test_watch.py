from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from klayer.cli import main
from klayer.running.snapshots import Snapshot
from klayer.running.watch import NOTHING, picture, running


def snapshot(points: int, accuracy: float, first: int = 100) -> Snapshot:
    curves = {"step": [float(first * (i + 1)) for i in range(points)]}
    for part in ("train", "validation"):
        curves |= {f"{part}_loss": [2.0] * points, f"{part}_accuracy": [accuracy] * points}
    return Snapshot(first * points, curves)


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "20")


def test_shows_loss_and_accuracy_of_both_parts():
    text = picture({"train@x": [snapshot(5, 0.5)]})
    assert text.startswith("train@x: 500 network-steps, populations: 1")
    for word in ("loss", "accuracy", "train", "validation", "step", "0.5"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text


def test_shows_means_over_populations_as_far_as_all_have_come():
    text = picture({"search_l2": [snapshot(5, 0.1), snapshot(3, 0.3)]})
    assert "0.2" in text
    assert "0.1" not in text
    assert "500" not in text


def test_leaves_out_populations_with_other_points():
    text = picture({"train_best": [snapshot(4, 0.5), snapshot(4, 0.9, first=150)]})
    assert "0.9" not in text


def test_says_that_there_is_no_point_yet():
    assert picture({"train@x": [snapshot(0, 0.5)]}).endswith("no point of the curves yet")
    assert picture({"train@x": []}).endswith("no point of the curves yet")


def test_says_that_nothing_runs(tmp_path):
    assert picture(running(tmp_path / "none")) == NOTHING


def test_command_shows_what_a_stage_wrote(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".klayer/live/train@three_layer"
    folder.mkdir(parents=True)
    (folder / "0.json").write_text(json.dumps(vars(snapshot(3, 0.5))))
    result = CliRunner().invoke(main, ["watch", "--once"])
    assert result.exit_code == 0
    assert "train@three_layer: 300 network-steps" in result.output
