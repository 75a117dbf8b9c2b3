"""Finished parts of a stage are found again, unless anything that decides them has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import block, same_start, tiny_settings, write_params
from klayer import params
from klayer.running import checkpoints
from klayer.running.runner import train_jobs
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
def population(project: Path) -> Job:
    checkpoints._surroundings.cache_clear()
    yield same_start(params.section(tiny_settings(), "training", Training), (0.1,), 1)
    checkpoints._surroundings.cache_clear()


def same(a: Outcome | None, b: Outcome | None) -> bool:
    assert a is not None
    assert b is not None
    return all(
        {n: v.tobytes() for n, v in getattr(a, g).items()}
        == {n: v.tobytes() for n, v in getattr(b, g).items()}
        for g in ("history", "final", "layers", "parameters")
    )


def test_a_kept_part_is_found(tmp_path: Path) -> None:
    checkpoints.keep(tmp_path / "part.npz", OUTCOME)
    assert same(checkpoints.find(tmp_path / "part.npz"), OUTCOME)


def test_a_part_that_is_not_there(tmp_path: Path) -> None:
    assert checkpoints.find(tmp_path / "part.npz") is None


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_part_is_not_taken(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "part.npz"
    checkpoints.keep(path, OUTCOME)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[position:]
    else:
        content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    found = checkpoints.find(path)
    assert found is None or same(found, OUTCOME)  # some bytes of a zip file mean nothing


def test_what_decides_a_part(population: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    training = population.training
    paths = {
        checkpoints.part_path("a", population, True),
        checkpoints.part_path("b", population, True),
        checkpoints.part_path("a", population, False),
        checkpoints.part_path("a", replace(population, seeds=(2,)), True),
        checkpoints.part_path("a", replace(population, l2=(0.2,)), True),
        checkpoints.part_path("a", replace(population, l2=(0.1, 0.1), seeds=(1, 1)), True),
    }
    for change in ({"sigma": 0.5}, {"cycles": 2}, {"block": block(True)}, {"evaluations": 3}):
        changed = replace(population, training=training.model_copy(update=change))
        paths.add(checkpoints.part_path("a", changed, True))
    assert len(paths) == 10
    assert checkpoints.part_path("a", population, True) in paths


def test_other_data_means_another_part(population: Job) -> None:
    before = checkpoints.part_path("a", population, True)
    np.save("data/processed/mean.npy", np.load("data/processed/mean.npy") + 1)
    checkpoints._surroundings.cache_clear()
    assert checkpoints.part_path("a", population, True) != before


def test_other_code_means_another_part(
    population: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "layers.py").write_text("x = 1")
    monkeypatch.setattr(checkpoints, "__file__", str(package / "checkpoints.py"))
    before = checkpoints.part_path("a", population, True)
    (package / "layers.py").write_text("x = 2")
    checkpoints._surroundings.cache_clear()
    assert checkpoints.part_path("a", population, True) != before


def kept(stage: str) -> list[Path]:
    return sorted((checkpoints.PARTS / stage).glob("*.npz"))


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains in this process, where functions can be replaced."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)


def test_an_interrupted_stage_goes_on_where_it_stopped(
    population: Job, one_core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from klayer.training import run

    populations = [replace(population, seeds=(seed,)) for seed in (1, 2, 3)]
    expected = train_jobs("whole", populations, test=True)
    trained, original = [], run.train

    def interrupted(task: Job, *rest: object) -> Outcome:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.extend(task.seeds)
        return original(task, *rest)

    monkeypatch.setattr(run, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_jobs("stage", populations, test=True)
    assert trained == [1, 2]
    assert len(kept("stage")) == 2
    trained.clear()
    found = train_jobs("stage", populations, test=True)
    assert trained == [3]
    assert all(map(same, found, expected))

    kept("stage")[0].write_bytes(b"damaged")
    trained.clear()
    found = train_jobs("stage", populations, test=True)
    assert len(trained) == 1
    assert all(map(same, found, expected))


def test_a_stage_that_ends_well_forgets_its_parts(project: Path) -> None:
    from klayer.stages import train

    sections = tiny_settings()
    sections["training"]["seeds"] = [1]
    write_params(sections)
    train.run("plain")
    assert not (checkpoints.PARTS / "train@plain").exists()


def test_a_network_that_diverges_is_told_with_its_step(
    population: Job, one_core: None, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = population.training.model_copy(update={"learning_rate_max": 1e6})
    (outcome,) = train_jobs("stage", [same_start(wild, (0.0, 0.5), 1)], test=True)
    told = capsys.readouterr().err
    steady, diverged = outcome.final["diverged_at"]
    assert steady == -1
    assert "l2 0 diverged" not in told
    assert f"the network of seed 1 and l2 0.5 diverged in step {diverged}" in told
