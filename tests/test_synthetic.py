"""The synthetic images: the same bytes, the original's layout, hard for a linear classifier."""

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from klayer.data import synthetic
from klayer.data.archive import FILES
from klayer.data.batches import read_batches
from klayer.data.dataset import Split


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "files"
    synthetic.write_batches(1, folder)
    return folder


@pytest.fixture(scope="module")
def splits(folder: Path) -> tuple[Split, Split]:
    return read_batches({}, folder)


def test_has_the_same_bytes_everywhere(folder: Path) -> None:
    digests = (hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES)
    assert list(digests) == [
        "ebe83c5801175976b8d733a2d3acdb637620a991aed82d69b449b09d4984ef74",
        "12548f3e4266873d44a7e279b8a0e619231011fa402e4014ae6fda81071f018b",
        "9d538235b53f7fe65519ba5968612fcb626cd87e9cab1f6fe204e94654014f83",
        "30b02a3d6e60dad6d30da0735dfb9bfc61b72477d6eb166f32592b998e5ad3a8",
        "2e30023741a10196c34122c7e588263c097e13022f7fe57365e1b27ed22d2246",
        "3597d414dc98d7cae8eda9be31299471ac1879d97771589f73c931dfd3734eaf",
        "d55f350146218ee1976c84d935e883ad5b6e6ae6844ed4503cced3be99f40b67",
    ]


def test_depends_on_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "BATCH", 20)
    for seed in (1, 2):
        synthetic.write_batches(seed, tmp_path / str(seed))
    one, two = ((tmp_path / str(seed) / "test_batch").read_bytes() for seed in (1, 2))
    assert one != two


def test_has_the_layout_of_the_original(folder: Path) -> None:
    content = pickle.loads((folder / "data_batch_1").read_bytes(), encoding="bytes")
    assert sorted(os.listdir(folder)) == sorted(FILES)
    assert content[b"batch_label"] == b"training batch 1 of 5"
    assert len(content[b"filenames"]) == len(content[b"labels"]) == 10_000
    assert content[b"data"].shape == (10_000, 3072)


def test_is_coloured_and_smooth(splits: tuple[Split, Split]) -> None:
    images = splits[1].images[:1000].reshape(-1, 3, 32, 32).astype(float)
    images -= images.mean(axis=0)
    variance = (images**2).mean()
    neighbours = (images[..., 1:] * images[..., :-1]).mean() / variance
    colours = (images[:, 0] * images[:, 1]).mean() / variance
    assert neighbours > 0.8
    assert abs(colours) < 0.5
    assert 20 < variance**0.5 < 80


def accuracy(
    train: NDArray[np.floating], test: NDArray[np.floating], splits: tuple[Split, Split]
) -> float:
    """Test accuracy of the linear classifier with the least squared error."""
    targets = np.eye(10)[splits[0].labels]
    weights = np.linalg.solve(train.T @ train + 1e-3 * np.eye(train.shape[1]), train.T @ targets)
    return float(((test @ weights).argmax(axis=1) == splits[1].labels).mean())


def test_is_beyond_a_linear_classifier(splits: tuple[Split, Split]) -> None:
    """Products with the classes' own objects, squared, tell what the pixels alone do not."""
    linear, squared = [], []
    tints, objects = synthetic._class_marks(np.random.default_rng(1))
    marks = synthetic._pixels(np.concatenate([20 * tints, *20 * objects]))  # clear of rounding
    few = (splits[0].head(15_000), splits[1])
    for split in few:
        images = (split.images.astype(np.float32) - 128) / 64
        blocks = images.reshape(-1, 3, 8, 4, 8, 4).mean(axis=(3, 5)).reshape(len(images), -1)
        products = images @ (marks.astype(np.float32) - 128).T / 1e4
        linear.append(np.hstack([blocks, np.ones((len(images), 1))]))
        squared.append(np.hstack([linear[-1], products**2]))
    assert 0.3 < accuracy(linear[0], linear[1], few) < 0.45
    assert accuracy(squared[0], squared[1], few) > accuracy(linear[0], linear[1], few) + 0.08
