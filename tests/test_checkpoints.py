"""Finished networks of a stage are found again, unless anything that decides them has changed."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import klayer
from conftest import BATCH_NORM, one, tiny_training, write_processed
from klayer.data.dataset import PROCESSED
from klayer.parallel import digests
from klayer.parallel.checkpoints import CHECKPOINTS, find, keep
from klayer.parallel.runner import checkpointed, summary, train_jobs
from klayer.training import trainer
from klayer.training.trainer import Job, Outcome

RANDOM = np.random.default_rng(1)
OUTCOME = Outcome(
    row={"seed": 1, "train_loss": 1 / 3, "diverged_at": -1, "parameters_sha256": "ab"},
    curves={"step": np.arange(3), "train_loss": RANDOM.normal(0, 1, 3)},
    layers={"score_std": RANDOM.normal(0, 1, (2, 3))},
    network={"affine1.weight": RANDOM.normal(0, 1, (4, 3)).astype(np.float32)},
)


def forget_digests() -> None:
    digests.identity.cache_clear()
    digests.images_digest.cache_clear()


@pytest.fixture(autouse=True)
def _nothing_is_cached() -> Iterator[None]:
    forget_digests()
    yield
    forget_digests()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    write_processed(folder / PROCESSED)
    return folder


@pytest.fixture
def images(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with images of its own; networks are trained in this process."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    monkeypatch.chdir(tmp_path)
    PROCESSED.mkdir(parents=True)
    for path in (folder / PROCESSED).iterdir():
        (PROCESSED / path.name).symlink_to(path)
    return tmp_path


def same(a: Outcome | None, b: Outcome | None) -> bool:
    assert a is not None
    assert b is not None
    return a.row == b.row and all(
        {n: v.tobytes() for n, v in getattr(a, group).items()}
        == {n: v.tobytes() for n, v in getattr(b, group).items()}
        for group in ("curves", "layers", "predictions", "network")
    )


def kept(stage: str) -> list[Path]:
    return sorted((CHECKPOINTS / stage).glob("*.kept"))


def test_a_kept_job_is_found_in_the_stage_it_was_kept_for(images: Path) -> None:
    keep("stage", one(), OUTCOME)
    outcome = find("stage", one())
    assert outcome is not None
    assert list(outcome.row) == list(OUTCOME.row)  # the columns of a table
    assert same(outcome, OUTCOME)
    assert outcome.network["affine1.weight"].dtype == np.float32
    assert find("other", one()) is None


@pytest.mark.parametrize("position", [0, 31, 32, 500, -1])
@pytest.mark.parametrize("cut", [True, False])
def test_a_damaged_checkpoint_is_not_taken(images: Path, position: int, cut: bool) -> None:
    keep("stage", one(), OUTCOME)
    (path,) = kept("stage")
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content[:position] if cut else content)
    assert find("stage", one()) is None


def test_what_decides_a_checkpoint(images: Path) -> None:
    job = one()
    others = [one(2), replace(job, test=False), replace(job, keep=False)]
    others += [one(l2=0.2), one(block=BATCH_NORM), one(statistics=["own"])]
    keep("stage", job, OUTCOME)
    assert all(find("stage", other) is None for other in others)
    assert same(find("stage", one()), OUTCOME)


def test_other_data_code_or_libraries_mean_another_checkpoint(
    images: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(klayer, "__file__", str(package / "__init__.py"))

    def change_code() -> None:
        (package / "layers.py").write_text("x = 2")

    def change_labels() -> None:
        path = PROCESSED / "train_labels.npy"
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    def change_libraries() -> None:
        monkeypatch.setattr(digests, "version", lambda name: "0")

    for change in (change_code, change_labels, change_libraries):
        keep("stage", one(), OUTCOME)
        change()
        forget_digests()
        assert find("stage", one()) is None, change


def test_an_interrupted_stage_goes_on_where_it_stopped(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [one(seed) for seed in (1, 2, 3)]
    expected = train_jobs("whole", jobs)
    assert kept("whole") == []
    trained: list[int] = []
    original = trainer.train

    def interrupted(job: Job, *rest: Any) -> Outcome:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(job.seed)
        return original(job, *rest)

    monkeypatch.setattr("klayer.parallel.runner.train", interrupted)
    with pytest.raises(KeyboardInterrupt), checkpointed("stage") as train:
        train(jobs)
    assert trained == [1, 2]
    assert len(kept("stage")) == 2
    kept("stage")[0].write_bytes(b"damaged")
    trained.clear()
    with checkpointed("stage") as train:
        outcomes = train(jobs)
    assert len(trained) == 2
    assert all(map(same, outcomes, expected))
    assert not CHECKPOINTS.exists()
    assert capsys.readouterr().out.startswith("stage: 3 networks, 40 steps each, ")


def test_outcomes_come_in_the_order_of_the_jobs_with_networks_where_they_are_kept(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the second one ends first."""
    monkeypatch.setattr(
        "klayer.parallel.workers.map_tasks", lambda function, tasks: map(function, tasks[::-1])
    )
    outcomes = train_jobs("stage", [Job(tiny_training(), 7), one(8)])
    assert [outcome.row["seed"] for outcome in outcomes] == [7, 8]
    assert [bool(outcome.network) for outcome in outcomes] == [False, True]


def outcome(accuracy: float, diverged_at: int = -1) -> Outcome:
    accuracies = {"test_accuracy": accuracy, "validation_accuracy": accuracy + 0.1}
    return Outcome({**accuracies, "diverged_at": diverged_at})


def test_a_stage_ends_with_one_line() -> None:
    run = [Job(tiny_training(), seed) for seed in (1, 2)]
    outcomes = [outcome(0.5), outcome(0.52)]
    line = summary("train@plain", run, outcomes, 1234.5)
    assert line == "plain: 2 networks, 40 steps each, 1,234 s: test accuracy 51.0 % ± 1.4"
    line = summary("train@plain", run[:1], outcomes[:1], 1)
    assert line == "plain: 1 network, 40 steps each, 1 s: test accuracy 50.0 %"
    settings = [tiny_training(l2=0.1), tiny_training(l2=0.0, cycles=2)]
    search = [Job(training, 1, test=False) for training in settings]
    line = summary("search_l2", search, [outcome(0.5), outcome(0.1, diverged_at=3)], 7)
    assert line == (
        "search_l2: 2 networks, 40 to 80 steps, 7 s: validation accuracy 20.0 to 60.0 %, 1 diverged"
    )


def test_a_terminal_has_one_bar_over_the_networks(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def slow(job: Job, _: object) -> Outcome:
        time.sleep(0.11)  # the bar is drawn ten times a second at most
        return outcome(job.seed / 10)

    monkeypatch.setattr("klayer.parallel.runner.train", slow)
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    train_jobs("train@plain", [one(1), one(2)])
    drawn = terminal.getvalue().split("\r")
    assert any(
        re.fullmatch(
            r"train@plain: 1 of 2 .* 00:00 left, \d+ steps/s, test accuracy 10.0 % *", line
        )
        for line in drawn
    ), drawn
    assert drawn[-2].strip() == ""  # it is wiped out at the end
