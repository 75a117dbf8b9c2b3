"""The synthetic images: the same bytes, the original's layout, hard for a linear classifier."""

import hashlib
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from klayer.data import synthetic
from klayer.data.archive import read_archive
from klayer.data.dataset import Split


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthetic") / "archive.tar"
    synthetic.write_archive(path, 1)
    return path


@pytest.fixture(scope="module")
def splits(path: Path) -> tuple[Split, Split]:
    return read_archive(path)


def test_has_the_same_bytes_everywhere(path: Path) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == "6aca049434ca24383e0f3083f7605900a31a37087c938130e15b17be34748c61"


def test_depends_on_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "BATCH", 20)
    for seed in (1, 2):
        synthetic.write_archive(tmp_path / f"{seed}.tar", seed)
    assert (tmp_path / "1.tar").read_bytes() != (tmp_path / "2.tar").read_bytes()


def test_has_the_layout_of_the_original(path: Path) -> None:
    with tarfile.open(path) as tar:
        names = tar.getnames()
        content = pickle.load(tar.extractfile(names[1]), encoding="bytes")  # type: ignore[arg-type]
    batches = ["batches.meta", *(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
    assert names == [f"cifar-10-batches-py/{name}" for name in batches]
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
