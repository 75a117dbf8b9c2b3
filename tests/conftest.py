"""Small data and small settings for the tests."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from ruamel.yaml import YAML

from klayer.data.dataset import CLASSES, PIXELS, PROCESSED, Dataset, open_dataset
from klayer.settings import Training
from klayer.training.trainer import Job

ROOT = Path(__file__).parents[1]
BATCH_NORM = ["affine", "batch_norm", "relu"]
COUNTS = {"train": 300, "validation": 100, "test": 100}

settings.register_profile("klayer", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("klayer")


def write_processed(folder: Path) -> None:
    """Images of ten classes: a blob of its own for each, and noise."""
    generator = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    blobs = generator.normal(128, 40, (10, PIXELS))
    (folder / "classes.json").write_text(json.dumps(CLASSES))
    for part, count in COUNTS.items():
        labels = generator.permutation(np.arange(count) % 10).astype(np.uint8)
        noisy = blobs[labels] + generator.normal(0, 60, (count, PIXELS))
        images = noisy.clip(0, 255).astype(np.uint8)
        np.save(folder / f"{part}_images.npy", images)
        np.save(folder / f"{part}_labels.npy", labels)
        if part == "train":
            np.save(folder / "mean.npy", images.mean(axis=0))
            np.save(folder / "deviation.npy", images.std(axis=0))


def tiny_settings() -> dict[str, Any]:
    """params.yaml of the project, with everything small."""
    params: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    params["training"] |= {
        "hidden": [8, 6],
        "batch_size": 50,
        "half_cycle": 20,
        "cycles": 1,
        "seeds": [1, 2],
        "evaluation_interval": 10,
    }
    params["experiments"] = {"plain": {}, "bn": {"block": BATCH_NORM}}
    params["check_gradients"] |= {"features": 5, "hidden": [[4], [4, 3]]}
    params["search"] = {
        "training": {"block": BATCH_NORM, "half_cycle": 10, "evaluation_interval": 20},
        "coarse": {"count": 6, "largest": 0.01, "smallest": 1e-6, "seed": 1},
        "fine": {"count": 2, "decades": 1.0, "seeds": [3, 4]},
        "schedules": {"short": {}, "long": {"cycles": 2}},
    }
    return params


def write_params(params: dict[str, Any], path: Path = Path("params.yaml")) -> None:
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False  # in [ ] the C parser, which DVC takes, reads no address
    with path.open("w") as file:
        writer.dump(params, file)


def write_settings(params: dict[str, Any]) -> None:
    """params.yaml, and what the stage `settings` makes of it, which the other stages read."""
    from klayer.stages import settings as stage

    write_params(params)
    Path("requirements.lock").write_bytes((ROOT / "requirements.lock").read_bytes())
    stage.run()


def write_data_settings(data: dict[str, Any]) -> None:
    """What the stage `settings` writes for those that fetch and read the images."""
    from klayer.stages.settings import DATA

    Path("data/settings").mkdir(parents=True, exist_ok=True)
    for name, wanted in (("data", True), ("mirrors", False)):
        part = {key: value for key, value in data.items() if (key in DATA) is wanted}
        text = json.dumps(part | {"libraries": {}})
        Path(f"data/settings/{name}.json").write_text(text)


@pytest.fixture(scope="session", autouse=True)
def _interrupts_reach_processes() -> None:
    """Processes inherit that SIGINT is ignored, as it is where a shell runs tests behind itself."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tiny settings and data, which is the working folder."""
    monkeypatch.chdir(tmp_path)
    write_processed(PROCESSED)
    write_settings(tiny_settings())
    return tmp_path


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("processed")
    write_processed(folder)
    return open_dataset(folder)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(42)


def block(batch_norm: bool) -> tuple[str, ...]:
    """What a hidden layer is, with or without batch norm."""
    return ("affine", "batch_norm", "relu") if batch_norm else ("affine", "relu")


def tiny_training(**changes: Any) -> Training:
    """The section `training` of the tiny settings, with changes."""
    return Training.model_validate(tiny_settings()["training"] | changes)


def one(seed: int = 1, test: bool = True, **changes: Any) -> Job:
    """A tiny network, whose outcome has its arrays."""
    return Job(tiny_training(**changes), seed, test=test, keep=True)
