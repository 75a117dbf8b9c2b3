"""The audit of results: the networks that it draws, and the changes that it finds."""

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

BN = Path("plots/seeds/bn.csv")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A whole small study, without its report; all networks are trained in this process."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("joblib.cpu_count", lambda: 1)
        write_processed(PROCESSED)
        write_settings(tiny_settings())
        Path("metrics").mkdir()
        Path("metrics/search_l2.json").write_text('{"best_l2": 0.002}')
        for name in ("plain", "bn"):
            train.run(name)
        for schedule in ("short", "long"):
            train.run_best(schedule)
        yield folder


@pytest.fixture
def study(results: Path) -> Iterator[Path]:
    """The study as the working folder, for a test that may change a table and the settings."""
    table = BN.read_bytes()
    yield results
    BN.write_bytes(table)
    write_params(tiny_settings())


def verify(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(main, ["verify", *arguments])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return done.output


def test_one_network_is_trained_again_each_time(study: Path) -> None:
    """No checkpoint answers for it."""
    text = verify("bn", "2")
    assert not list(CHECKPOINTS.glob("*"))
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


@pytest.mark.parametrize("column", ["train_loss", "parameters_sha256"])
def test_a_changed_digit_is_found(study: Path, column: str) -> None:
    table = pd.read_csv(BN, dtype=str)
    before = table[column][1]
    value = before[:-1] + ("1" if before[-1] == "0" else "0")
    table.loc[1, column] = value
    table.to_csv(BN, index=False)
    text = verify("--networks", "8", status=1)
    assert f"bn 2: not repeated, {column} is {value} in {BN} and {before} now" in text
    assert "repeated exactly" in verify("bn", "1")


def test_changed_settings_are_found(study: Path) -> None:
    sections = tiny_settings()
    sections["experiments"]["plain"] = {"l2": 0.0051}
    write_params(sections)
    assert "plain 1: not repeated, train_" in verify("plain", "1", status=1)


@pytest.mark.parametrize("content", [None, "", "a,b\n1,2\n", "seed,b\n2,1\n"])
def test_a_table_without_the_row_is_named(study: Path, content: str | None) -> None:
    BN.unlink()
    if content is not None:
        BN.write_text(content)
    assert f"{BN} has no row of seed 1: run `dvc repro`" in verify("bn", "1", status=1)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["bn", "9"], 1, "the run bn has no seed 9 (known: [1, 2])"),
        (["nobody", "1"], 1, "no run nobody (known: bn, plain, best_long, best_short)"),
        (["bn"], 2, "takes 2 values"),
    ],
)
def test_what_cannot_be_audited(
    study: Path, arguments: list[str], status: int, message: str
) -> None:
    assert message in verify(*arguments, status=status)
