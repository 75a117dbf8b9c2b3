"""Finished networks of a stage are found again, unless anything that decides them has changed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import klayer
from conftest import BATCH_NORM, one, tiny_settings, tiny_training, write_processed, write_settings
from klayer.data.dataset import PROCESSED
from klayer.parallel import digests
from klayer.parallel.checkpoints import CHECKPOINTS, Checkpoints
from klayer.parallel.runner import train_jobs
from klayer.training.job import Job, Outcome

RANDOM = np.random.default_rng(1)
OUTCOME = Outcome(
    row={"seed": 1, "train_loss": 1 / 3, "diverged_at": -1, "parameters_sha256": "ab"},
    curves={"step": np.arange(3), "train_loss": RANDOM.normal(0, 1, 3)},
    layers={"score_std": RANDOM.normal(0, 1, (2, 3))},
    network={"affine1.weight": RANDOM.normal(0, 1, (4, 3)).astype(np.float32)},
)


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> Iterator[None]:
    digests.identity.cache_clear()
    digests.images_digest.cache_clear()
    yield
    digests.identity.cache_clear()
    digests.images_digest.cache_clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    write_processed(folder / PROCESSED)
    return folder


@pytest.fixture
def images(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with images of its own."""
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
    Checkpoints("stage").keep(one(), OUTCOME)
    found = Checkpoints("stage").find(one())
    assert found is not None
    assert list(found.row) == list(OUTCOME.row)  # the columns of a table
    assert same(found, OUTCOME)
    assert found.network["affine1.weight"].dtype == np.float32
    assert Checkpoints("other").find(one()) is None


@given(st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_checkpoint_is_not_taken(images: Path, data: st.DataObject) -> None:
    checkpoints = Checkpoints("stage")
    checkpoints.keep(one(), OUTCOME)
    (path,) = kept("stage")
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[position:]
    else:
        content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert checkpoints.find(one()) is None


def test_what_decides_a_checkpoint(images: Path) -> None:
    checkpoints, job = Checkpoints("stage"), one()
    changes: tuple[dict[str, Any], ...] = (
        {"sigma": 0.5},
        {"l2": 0.2},
        {"cycles": 2},
        {"block": BATCH_NORM},
        {"evaluation_interval": 3},
        {"statistics": ["own"]},
    )
    others = [
        one(2),
        replace(job, test=False),
        replace(job, keep=False),
        *(one(**change) for change in changes),
    ]
    checkpoints.keep(job, OUTCOME)
    assert all(checkpoints.find(other) is None for other in others)
    assert same(checkpoints.find(one()), OUTCOME)


@pytest.mark.parametrize("name", ["mean.npy", "train_labels.npy", "classes.json"])
def test_other_data_means_another_checkpoint(images: Path, name: str) -> None:
    Checkpoints("stage").keep(one(), OUTCOME)
    path = PROCESSED / name
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    digests.images_digest.cache_clear()
    assert Checkpoints("stage").find(one()) is None


def test_other_code_or_libraries_mean_another_checkpoint(
    images: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "package"
    (package / "networks").mkdir(parents=True)
    (package / "networks/layers.py").write_text("x = 1")
    monkeypatch.setattr(klayer, "__file__", str(package / "__init__.py"))
    Checkpoints("stage").keep(one(), OUTCOME)
    (package / "networks/layers.py").write_text("x = 2")
    digests.identity.cache_clear()
    assert Checkpoints("stage").find(one()) is None
    Checkpoints("stage").keep(one(), OUTCOME)
    monkeypatch.setattr(digests, "version", lambda name: "0")
    digests.identity.cache_clear()
    assert Checkpoints("stage").find(one()) is None


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import one
from klayer.parallel.checkpoints import Checkpoints
from test_checkpoints import OUTCOME
Path.replace = lambda self, to: os.kill(os.getpid(), 9)  # written, and not yet in its place
Checkpoints("stage").keep(one(), OUTCOME)
"""


def test_a_kill_in_the_middle_of_writing_leaves_none(images: Path) -> None:
    code = KILLED.format(tests=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code])
    assert done.returncode == -signal.SIGKILL
    assert kept("stage") == []
    assert Checkpoints("stage").find(one()) is None


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains in this process, where functions can be replaced."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)


def test_an_interrupted_stage_goes_on_where_it_stopped(
    images: Path, one_core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from klayer.training import loop

    jobs = [one(seed) for seed in (1, 2, 3)]
    expected = train_jobs("whole", jobs)
    trained: list[int] = []
    original = loop.train

    def interrupted(job: Job, *rest: Any) -> Outcome:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(job.seed)
        return original(job, *rest)

    monkeypatch.setattr(loop, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_jobs("stage", jobs)
    assert trained == [1, 2]
    assert len(kept("stage")) == 2
    trained.clear()
    found = train_jobs("stage", jobs)
    assert trained == [3]
    assert all(map(same, found, expected))

    kept("stage")[0].write_bytes(b"damaged")
    trained.clear()
    found = train_jobs("stage", jobs)
    assert len(trained) == 1
    assert all(map(same, found, expected))


def test_outcomes_come_in_the_order_of_the_jobs_without_networks_unless_kept(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the second one ends first; and a network that diverged is told."""
    monkeypatch.setattr(
        "klayer.parallel.workers.map_tasks", lambda function, tasks: map(function, tasks[::-1])
    )
    wild = tiny_training(learning_rate_max=1e6, l2=0.0).model_copy(update={"l2": 1.0})
    found = train_jobs("stage", [Job(wild, 7), Job(tiny_training(l2=0.25), 8), one(9)])
    assert [outcome.row["seed"] for outcome in found] == [7, 8, 9]
    assert [bool(outcome.network) for outcome in found] == [False, False, True]
    step = found[0].row["diverged_at"]
    told = f"stage: the network of seed 7 and l2 1 diverged in step {step}; it counts with the"
    assert told in (errors := capsys.readouterr().err)
    assert errors.count("diverged") == 1


def test_a_stage_that_ends_well_forgets_its_checkpoints(project: Path) -> None:
    from klayer.stages import train

    sections = tiny_settings()
    sections["training"]["seeds"] = [1]
    write_settings(sections)
    train.run("plain")
    assert not CHECKPOINTS.exists()


def test_where_nothing_can_be_kept_the_stage_runs_all_the_same(
    images: Path, one_core: None, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".klayer").write_text("a file of another program")
    (outcome,) = train_jobs("stage", [one()])
    assert outcome.row["diverged_at"] == -1
    told = capsys.readouterr().err
    assert ".klayer/checkpoints/stage cannot be written (Not a directory)" in told
