"""The synthetic images: the same bytes everywhere, learnable, with noise."""

import hashlib

import numpy as np
import pytest

from klayer.data import synthetic
from klayer.data.dataset import Split


@pytest.fixture(scope="module")
def splits() -> tuple[Split, Split]:
    return synthetic.synthetic_images(1)


def test_has_the_same_bytes_everywhere(splits: tuple[Split, Split]) -> None:
    digest = hashlib.sha256()
    for split in splits:
        digest.update(split.images.tobytes() + split.labels.tobytes())
    assert digest.hexdigest() == (
        "43f446dd8b53867526f56e85d60fdd71e9e6d8f9db8e9f34519d71c9c5dd90fd"
    )


def test_has_the_shape_of_the_original(splits: tuple[Split, Split]) -> None:
    for split, count in zip(splits, (50_000, 10_000), strict=True):
        assert split.images.shape == (count, 3072)
        assert split.images.dtype == split.labels.dtype == np.uint8
        assert np.bincount(split.labels).tolist() == [count // 10] * 10


def test_depends_on_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "BATCH", 20)
    one, two = (synthetic.synthetic_images(seed)[0].images for seed in (1, 2))
    assert (one != two).any()


def test_a_linear_classifier_learns_most_in_an_epoch(splits: tuple[Split, Split]) -> None:
    """The nearest mean of a class, each image being seen once."""
    train, test = ((split.images - np.float32(128), split.labels) for split in splits)
    means = np.stack([train[0][train[1] == c].mean(axis=0) for c in range(10)])
    scores = test[0] @ means.T - (means**2).sum(axis=1) / 2
    assert 0.5 < (scores.argmax(axis=1) == test[1]).mean() < 0.7
