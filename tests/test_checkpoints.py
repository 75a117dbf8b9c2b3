"""Networks of a stage: over processes, with checkpoints, a bar and a last line.

test_cli.py shows that no process is left behind, and that kills lose nothing.
"""

from __future__ import annotations

import io
import operator
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import klayer
from conftest import BATCH_NORM, one, tiny_training, write_processed
from klayer.data.dataset import PROCESSED
from klayer.errors import KlayerError
from klayer.parallel import checkpoints, runner
from klayer.parallel.checkpoints import CHECKPOINTS, GROUPS, find, keep
from klayer.parallel.runner import checkpointed, map_tasks, summary, train_jobs
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
    checkpoints.identity.cache_clear()
    checkpoints._images.cache_clear()


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A working folder with images; networks are trained in this process."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    monkeypatch.chdir(tmp_path)
    write_processed(PROCESSED)
    forget_digests()
    yield
    forget_digests()


def arrays(outcome: Outcome) -> dict[str, tuple[Any, bytes]]:
    named = {f"{g}.{n}": a for g in GROUPS for n, a in getattr(outcome, g).items()}
    return {name: (array.dtype, array.tobytes()) for name, array in named.items()}


def same(a: Outcome | None, b: Outcome | None) -> bool:
    assert a
    assert b
    # Also in the order of the columns of a table.
    return [*a.row.items()] == [*b.row.items()] and arrays(a) == arrays(b)


def kept(stage: str) -> list[Path]:
    return sorted((CHECKPOINTS / stage).glob("*.kept"))


def test_a_kept_job_is_found_in_the_stage_it_was_kept_for(images: None) -> None:
    keep("stage", one(), OUTCOME)
    assert same(find("stage", one()), OUTCOME)
    assert find("other", one()) is None


@pytest.mark.parametrize(("position", "cut"), [(0, False), (500, False), (-1, True)])
def test_a_damaged_checkpoint_is_not_taken(images: None, position: int, cut: bool) -> None:
    keep("stage", one(), OUTCOME)
    (path,) = kept("stage")
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content[:position] if cut else content)
    assert find("stage", one()) is None


def test_other_settings_data_code_or_libraries_mean_another_checkpoint(
    images: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job, package = one(), tmp_path / "package"
    keep("stage", job, OUTCOME)
    others = [one(2), replace(job, test=False), replace(job, keep=False)]
    others += [one(l2=0.2), one(block=BATCH_NORM), one(statistics=["own"])]
    assert all(find("stage", other) is None for other in others)
    package.mkdir()
    changes: dict[str, Callable[[], object]] = {
        "place": lambda: monkeypatch.setattr(klayer, "__file__", str(package / "__init__.py")),
        "code": lambda: (package / "layers.py").write_text("x = 2"),
        "labels": lambda: np.save(PROCESSED / "train_labels.npy", np.zeros(300, np.uint8)),
        "libraries": lambda: monkeypatch.setattr(checkpoints, "version", lambda name: "0"),
    }
    for name, change in changes.items():
        keep("stage", job, OUTCOME)
        change()
        forget_digests()
        assert find("stage", job) is None, name


def test_an_interrupted_stage_goes_on_where_it_stopped(
    images: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [one(seed) for seed in (1, 2, 3)]
    expected = train_jobs("whole", jobs)
    assert kept("whole") == []
    trained: list[int] = []

    def interrupted(job: Job, *rest: Any) -> Outcome:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(job.seed)
        return trainer.train(job, *rest)

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
    assert not list(CHECKPOINTS.glob("*"))
    assert capsys.readouterr().out.startswith("stage: 3 networks, 40 steps each, ")


def test_outcomes_come_in_the_order_of_the_jobs_with_networks_where_they_are_kept(
    images: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the second one ends first."""
    monkeypatch.setattr(runner, "map_tasks", lambda function, tasks: map(function, tasks[::-1]))
    outcomes = train_jobs("stage", [Job(tiny_training(), 7), one(8)])
    assert [outcome.row["seed"] for outcome in outcomes] == [7, 8]
    assert [bool(outcome.network) for outcome in outcomes] == [False, True]


def outcome(accuracy: float, diverged_at: int = -1) -> Outcome:
    accuracies = {"test_accuracy": accuracy, "validation_accuracy": accuracy + 0.1}
    return Outcome({**accuracies, "diverged_at": diverged_at})


def test_a_stage_ends_with_one_line() -> None:
    run = [Job(tiny_training(), seed) for seed in (1, 2)]
    line = summary("train@plain", run, [outcome(0.5), outcome(0.52)], 1234.5)
    assert line == "plain: 2 networks, 40 steps each, 1,234 s: test accuracy 51.0 % ± 1.4"
    longer = tiny_training().model_copy(update={"l2": 0.1, "half_cycle": 30})
    search = [Job(training, 1, test=False) for training in (tiny_training(), longer)]
    assert summary("search_l2", search, [outcome(0.1, diverged_at=3), outcome(0.4)], 7) == (
        f"search_l2: 2 networks, 40 to {longer.steps} steps, 7 s: "
        "validation accuracy 20.0 to 50.0 %, 1 diverged"
    )


def test_a_terminal_has_one_bar_over_the_networks(
    images: None, monkeypatch: pytest.MonkeyPatch
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
    half = r"plain: .*\| 00:00 left, \d+ steps/s, 1/2 networks, test 10\.0 % *"
    assert any(re.fullmatch(half, line) for line in drawn), drawn
    assert drawn[-2].strip() == ""  # it is wiped out at the end


@pytest.mark.skipif(joblib.cpu_count() < 2, reason="needs a worker process")
def test_a_worker_that_dies_is_named_and_others_take_its_place() -> None:
    with pytest.raises(KlayerError, match=r"worker process was killed.*run the same"):
        list(map_tasks(os._exit, [1, 2]))
    assert sorted(map_tasks(operator.neg, [2, 3])) == [-3, -2]


def test_a_worker_loads_no_library_of_tables_and_none_of_clusters() -> None:
    """Which would cost each process some 60 MB."""
    code = "import sys, klayer.parallel.runner; print({'pandas', 'distributed'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_results_do_not_depend_on_the_number_of_processes(
    images: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [one(seed, block=BATCH_NORM, l2=l2) for seed in (1, 2) for l2 in (0.0, 0.1)]
    alone = train_jobs("stage", jobs)
    monkeypatch.setattr("joblib.cpu_count", lambda *_, **__: 2)
    assert all(map(same, train_jobs("stage", jobs), alone))
