"""The synthetic images: the same bytes everywhere, learnable, with noise."""

import hashlib

import numpy as np
import pytest

from klayer.data.dataset import Split
from klayer.data.synthetic import synthetic_images


@pytest.fixture(scope="module")
def split() -> Split:
    return synthetic_images(1)


def test_has_the_shape_of_the_original_and_the_same_bytes_everywhere(split: Split) -> None:
    assert split.images.shape == (60_000, 3072)
    assert split.images.dtype == split.labels.dtype == np.uint8
    digest = hashlib.sha256()
    for part in (split.head(50_000), split.part(50_000, 10_000)):
        assert set(np.bincount(part.labels)) == {len(part) // 10}
        digest.update(part.images.tobytes() + part.labels.tobytes())
    assert digest.hexdigest() == (
        "43f446dd8b53867526f56e85d60fdd71e9e6d8f9db8e9f34519d71c9c5dd90fd"
    )


def test_depends_on_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klayer.data.synthetic.BATCH", 20)
    assert (synthetic_images(1).images != synthetic_images(2).images).any()


def test_a_linear_classifier_learns_most_in_an_epoch(split: Split) -> None:
    """The nearest mean of a class, each image being seen once; a fifth of them will do."""
    train, test = split.head(10_000), split.part(50_000, 2_000)
    images = train.images - np.float32(128)
    means = np.stack([images[train.labels == c].mean(axis=0) for c in range(10)])
    scores = (test.images - np.float32(128)) @ means.T - (means**2).sum(axis=1) / 2
    assert 0.3 < (scores.argmax(axis=1) == test.labels).mean() < 0.7
