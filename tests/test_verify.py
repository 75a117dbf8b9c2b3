"""The audit of results: what it draws, what it says, and that a changed digit does not pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from conftest import tiny_settings, write_params, write_processed, write_settings
from klayer.cli import main
from klayer.data.dataset import PROCESSED
from klayer.parallel.checkpoints import CHECKPOINTS
from klayer.stages import train


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole small study, without its report."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_processed(PROCESSED)
        write_settings(tiny_settings())
        Path("metrics").mkdir()
        Path("metrics/search_l2.json").write_text('{"best_l2": 0.002}')
        for name in ("plain", "bn"):
            train.run(name)
        for schedule in ("short", "long"):
            train.run_best(schedule)
    return folder


@pytest.fixture
def study(results: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The study as the working folder, for a test that may change its tables."""
    monkeypatch.chdir(results)
    tables = {path: path.read_bytes() for path in Path("plots/seeds").glob("*.csv")}
    yield results
    for path, content in tables.items():
        path.write_bytes(content)
    write_params(tiny_settings())


def verify(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(main, ["verify", *arguments])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return done.output


def change(path: str, column: str, row: int, value: str) -> str:
    """Writes a value into a table as it stands; returns what was there."""
    lines = [line.split(",") for line in Path(path).read_text().splitlines()]
    at = lines[0].index(column)
    before, lines[row][at] = lines[row][at], value
    Path(path).write_text("\n".join(map(",".join, lines)) + "\n")
    return before


def test_one_network_is_trained_again_each_time(study: Path) -> None:
    """No checkpoint answers for it."""
    text = verify("bn", "2")
    assert not CHECKPOINTS.exists()
    assert "drawn: bn 2" in text
    assert "repeated exactly: all 13 entries" in text


def test_networks_are_drawn_over_all_runs(study: Path) -> None:
    text = verify("--networks", "100")  # more than there are
    drawn = re.search(r"drawn: (.*) \(each again: klayer verify RUN SEED\)", text)
    assert drawn
    runs = ("plain", "bn", "best_short", "best_long")
    assert sorted(drawn[1].split(", ")) == sorted(
        f"{run} {seed}" for run in runs for seed in (1, 2)
    )
    assert "repeated exactly: all 104 entries" in text


def test_other_networks_are_drawn_another_time(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("klayer.stages.verify._audit", lambda drawn: print(len(drawn), drawn))
    assert len({verify() for _ in range(20)}) > 10
    assert verify("--networks", "2").startswith("2 [(")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("test_accuracy", "0.99"),
        ("parameters_sha256", "0" * 64),
        ("diverged_at", "3"),
    ],
)
def test_a_changed_entry_is_found(study: Path, column: str, value: str) -> None:
    path = "plots/seeds/bn.csv"
    before = change(path, column, 2, value)
    text = verify("bn", "2", status=1)
    assert f"bn 2: not repeated, {column} is {value} in {path} and {before} now" in text
    assert "repeated exactly" in verify("bn", "1")


def test_one_changed_digit_of_any_number_is_found_by_drawing_all(study: Path) -> None:
    path = "plots/seeds/best_long.csv"
    before = pd.read_csv(path, dtype=str)["train_loss"][0]
    changed = before[:-1] + str((int(before[-1]) + 1) % 10)
    change(path, "train_loss", 1, changed)
    text = verify("--networks", "8", status=1)
    assert f"best_long 1: not repeated, train_loss is {changed} in {path} and {before} now" in text


def test_changed_settings_are_found(study: Path) -> None:
    sections = tiny_settings()
    sections["experiments"]["plain"] = {"l2": 0.0051}
    write_params(sections)
    assert "plain 1: not repeated, train_" in verify("plain", "1", status=1)


@pytest.mark.parametrize("content", ["", "seed\nx\n", "a,b\n1,2\n", "seed,b\n2,1\n"])
def test_a_table_without_the_row_is_named(study: Path, content: str) -> None:
    Path("plots/seeds/bn.csv").write_text(content)
    assert "plots/seeds/bn.csv has no row of seed 1" in verify("bn", "1", status=1)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["bn", "9"], 1, "the run bn has no seed 9 (known: [1, 2])"),
        (["nobody", "1"], 1, "no run nobody (known: bn, plain, best_long, best_short)"),
        (["bn"], 2, "takes 2 values"),
        (["--networks", "0"], 2, "0 is not in the range"),
    ],
)
def test_what_cannot_be_audited(study: Path, arguments: list[str], status: int, says: str) -> None:
    assert says in verify(*arguments, status=status)


def test_one_network_needs_the_rows_of_its_run_alone(
    study: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("data", "params.yaml", "plots/seeds/bn.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(study / name)
    monkeypatch.chdir(tmp_path)
    assert "repeated exactly: all 13 entries" in verify("bn", "2")
    assert "has no row of seed" in verify("--networks", "8", status=1)
