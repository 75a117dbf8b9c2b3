"""Finished jobs of a stage are found again, unless anything that decides them has changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from klayer.running import checkpoints
from klayer.running.runner import train_jobs

import klayer
from conftest import block, same_start, tiny_settings, write_settings
from klayer import params
from klayer.training.job import Job, Outcome
from klayer.training.settings import Training

RANDOM = np.random.default_rng(1)
OUTCOME = Outcome(
    history={"step": np.arange(3), "train_loss": RANDOM.normal(0, 1, (3, 2))},
    final={"diverged_at": np.array([-1, 4])},
    layers={"score_std": RANDOM.normal(0, 1, (2, 2, 3))},
    parameters={"W1": RANDOM.normal(0, 1, (2, 4, 3)).astype(np.float32)},
)


@pytest.fixture
def job(project: Path) -> Iterator[Job]:
    checkpoints._common.cache_clear()
    yield same_start(params.section(tiny_settings(), "training", Training), (0.1,), 1)
    checkpoints._common.cache_clear()


def same(a: Outcome | None, b: Outcome | None) -> bool:
    assert a is not None
    assert b is not None
    return all(
        {n: v.tobytes() for n, v in getattr(a, g).items()}
        == {n: v.tobytes() for n, v in getattr(b, g).items()}
        for g in ("history", "final", "layers", "parameters")
    )


def test_a_kept_job_is_found(tmp_path: Path) -> None:
    checkpoints.keep(tmp_path / "job.kept", OUTCOME)
    assert same(checkpoints.find(tmp_path / "job.kept"), OUTCOME)


def test_a_job_that_was_not_kept(tmp_path: Path) -> None:
    assert checkpoints.find(tmp_path / "job.kept") is None


@given(st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_checkpoint_is_not_taken(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "job.kept"
    checkpoints.keep(path, OUTCOME)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[position:]
    else:
        content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert checkpoints.find(path) is None


def test_what_decides_a_checkpoint(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    training = job.training
    paths = {
        checkpoints.path_of("a", job, True),
        checkpoints.path_of("b", job, True),
        checkpoints.path_of("a", job, False),
        checkpoints.path_of("a", replace(job, seeds=(2,)), True),
        checkpoints.path_of("a", replace(job, l2=(0.2,)), True),
        checkpoints.path_of("a", replace(job, l2=(0.1, 0.1), seeds=(1, 1)), True),
    }
    for change in (
        {"sigma": 0.5},
        {"cycles": 2},
        {"block": block(True)},
        {"evaluation_interval": 3},
    ):
        changed = replace(job, training=training.model_copy(update=change))
        paths.add(checkpoints.path_of("a", changed, True))
    assert len(paths) == 10
    assert checkpoints.path_of("a", job, True) in paths


def test_other_data_means_another_checkpoint(job: Job) -> None:
    before = checkpoints.path_of("a", job, True)
    np.save("data/processed/mean.npy", np.load("data/processed/mean.npy") + 1)
    checkpoints._common.cache_clear()
    assert checkpoints.path_of("a", job, True) != before


def test_other_code_means_another_checkpoint(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "package"
    (package / "networks").mkdir(parents=True)
    (package / "networks/layers.py").write_text("x = 1")
    monkeypatch.setattr(klayer, "__file__", str(package / "__init__.py"))
    checkpoints._common.cache_clear()
    before = checkpoints.path_of("a", job, True)
    (package / "networks/layers.py").write_text("x = 2")
    checkpoints._common.cache_clear()
    assert checkpoints.path_of("a", job, True) != before


def kept(stage: str) -> list[Path]:
    return sorted((checkpoints.CHECKPOINTS / stage).glob("*.kept"))


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains in this process, where functions can be replaced."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)


def test_an_interrupted_stage_goes_on_where_it_stopped(
    job: Job, one_core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from klayer.training import run

    jobs = [replace(job, seeds=(seed,)) for seed in (1, 2, 3)]
    expected = train_jobs("whole", jobs, test=True)
    trained: list[int] = []
    original = run.train

    def interrupted(task: Job, *rest: Any) -> Outcome:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.extend(task.seeds)
        return original(task, *rest)

    monkeypatch.setattr(run, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_jobs("stage", jobs, test=True)
    assert trained == [1, 2]
    assert len(kept("stage")) == 2
    trained.clear()
    found = train_jobs("stage", jobs, test=True)
    assert trained == [3]
    assert all(map(same, found, expected))

    kept("stage")[0].write_bytes(b"damaged")
    trained.clear()
    found = train_jobs("stage", jobs, test=True)
    assert len(trained) == 1
    assert all(map(same, found, expected))


def test_a_stage_that_ends_well_forgets_its_checkpoints(project: Path) -> None:
    from klayer.stages import train

    sections = tiny_settings()
    sections["training"]["seeds"] = [1]
    write_settings(sections)
    train.run("plain")
    assert not (checkpoints.CHECKPOINTS / "train@plain").exists()


def test_a_network_that_diverges_is_told_with_its_step(
    job: Job, one_core: None, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = job.training.model_copy(update={"learning_rate_max": 1e6})
    (outcome,) = train_jobs("stage", [same_start(wild, (0.0, 0.5), 1)], test=True)
    told = capsys.readouterr().err
    steady, diverged = outcome.final["diverged_at"]
    assert steady == -1
    assert "l2 0 diverged" not in told
    assert f"the network of seed 1 and l2 0.5 diverged in step {diverged}" in told


def test_other_kernels_mean_another_checkpoint(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checkpoints.path_of("a", job, True)
    monkeypatch.setattr("klayer.running.arithmetic.in_use", lambda: "kernels of its own")
    checkpoints._common.cache_clear()
    assert checkpoints.path_of("a", job, True) != before


def test_where_nothing_can_be_kept_the_stage_runs_all_the_same(
    job: Job, one_core: None, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".klayer").write_text("a file of another program")
    (outcome,) = train_jobs("stage", [job], test=True)
    assert outcome.final["diverged_at"].tolist() == [-1]
    told = capsys.readouterr().err
    assert ".klayer/checkpoints/stage cannot be written (Not a directory)" in told
    assert ".klayer/snapshots cannot be written" in told


def test_kernels_that_are_not_portable_are_told_once(
    job: Job, one_core: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("klayer.running.arithmetic.in_use", lambda: "computed with others")
    train_jobs("stage", [job, replace(job, seeds=(2,))], test=True)
    assert capsys.readouterr().err.count("stage: computed with others") == 1
