"""The preprocess stage on a small archive of synthetic images."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from klayer import params
from klayer.data import archive, synthetic
from klayer.data.dataset import open_dataset
from klayer.data.sources import ARCHIVE, sha256
from klayer.errors import KlayerError
from klayer.stages import preprocess

N = 40  # images of a batch
DATA = params.read(Path(__file__).parents[1] / "params.yaml")["data"]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a project with a small archive; the function writes its params.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(archive, "BATCH", N)
    monkeypatch.setattr(synthetic, "BATCH", N)
    synthetic.write_archive(ARCHIVE, 1)

    def write(**changes: object) -> None:
        data = DATA | {"source": "synthetic", "validation": 15} | changes
        Path("params.yaml").write_text(json.dumps({"data": data}))

    return write


def test_divides_and_measures(configure: Callable[..., None]) -> None:
    configure()
    preprocess.run()
    data, (train, test) = open_dataset(), archive.read_archive(ARCHIVE)
    np.testing.assert_array_equal(data.validation.images, train.images[:15])
    np.testing.assert_array_equal(data.validation.labels, train.labels[:15])
    np.testing.assert_array_equal(data.train.images, train.images[15:])
    np.testing.assert_array_equal(data.train.labels, train.labels[15:])
    np.testing.assert_array_equal(data.test.images, test.images)
    np.testing.assert_array_equal(data.test.labels, test.labels)
    np.testing.assert_allclose(data.mean, train.images[15:].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(data.deviation, train.images[15:].std(axis=0), rtol=1e-12)


def test_says_what_the_data_are(configure: Callable[..., None]) -> None:
    configure()
    preprocess.run()
    metrics = json.loads(Path("metrics/data.json").read_text())
    counts = np.bincount(open_dataset().train.labels)
    pixels = {name: metrics.pop(name) for name in ("pixel_mean", "pixel_deviation")}
    assert metrics == {
        "archive_jpeg75": 0,
        "archive_original": 0,
        "archive_synthetic": 1,
        "test_images": N,
        "train_images": 5 * N - 15,
        "train_largest_class": counts.max(),
        "train_smallest_class": counts.min(),
        "validation_images": 15,
    }
    assert pixels["pixel_mean"] == pytest.approx(open_dataset().train.images.mean())
    assert 20 < pixels["pixel_deviation"] < 80


def test_knows_a_listed_archive(configure: Callable[..., None]) -> None:
    configure(source="cifar10", archives={"mine": sha256(ARCHIVE)})
    preprocess.run()
    metrics = json.loads(Path("metrics/data.json").read_text())
    assert (metrics["archive_mine"], metrics["archive_synthetic"]) == (1, 0)


def test_refuses_an_unlisted_archive(configure: Callable[..., None]) -> None:
    configure(source="cifar10")
    with pytest.raises(KlayerError, match=f"{sha256(ARCHIVE)}, which is not in data.archives"):
        preprocess.run()
    assert not Path("data/processed").exists()


def test_asks_for_a_missing_archive(configure: Callable[..., None]) -> None:
    configure()
    ARCHIVE.unlink()
    with pytest.raises(KlayerError, match="dvc repro download"):
        preprocess.run()


@given(arrays(np.uint8, st.tuples(st.integers(1, 3000), st.just(3)), elements=st.integers(0, 255)))
def test_measures_exactly(images: np.ndarray) -> None:
    mean, deviation = preprocess.measure(images)
    np.testing.assert_allclose(mean, images.mean(axis=0), rtol=1e-12)
    expected = images.std(axis=0)
    np.testing.assert_allclose(deviation, np.where(expected == 0, 1, expected), rtol=1e-9)
