"""The preprocess stage on small batches: synthetic ones, and own images from their archive on."""

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from conftest import write_data_settings
from klayer import params
from klayer.data import cifar10, synthetic
from klayer.data.cifar10 import BATCHES, FOLDER
from klayer.data.dataset import measure, open_dataset
from klayer.errors import KlayerError
from klayer.stages import download, preprocess

N = 40  # images of a batch
DATA = params.read(Path(__file__).parents[1] / "params.yaml")["data"] | {"validation": 15}
NAMES = [f"letter {c}" for c in "abcdefghij"]
IMAGES = np.random.default_rng(5).integers(0, 256, (6 * N, 3072), np.uint8)
LABELS = np.random.default_rng(6).permutation(6 * N) % 10


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (exec, ("import pathlib; pathlib.Path('evil').touch()",))


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with synthetic images, whose batches are small."""
    monkeypatch.chdir(tmp_path)
    for module in (cifar10, synthetic, preprocess):
        monkeypatch.setattr(module, "BATCH", N)
    write_data_settings(DATA | {"source": "synthetic"})


def own_images(folder: Path = FOLDER, changes: dict[str, bytes] | None = None) -> None:
    """Seven files of the test's own, or these contents, with their digests in params.yaml."""
    folder.mkdir(parents=True)
    rows = (slice(i * N, i * N + N) for i in range(6))
    files = {"batches.meta": pickle.dumps({"label_names": NAMES}, 2)} | {
        name: pickle.dumps({"data": IMAGES[part], "labels": LABELS[part].tolist()}, 4)
        for name, part in zip(BATCHES, rows, strict=True)
    }
    lines = []
    for name, content in (files | (changes or {})).items():
        (folder / name).write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()} {name}")
    write_data_settings(DATA | {"sha256": lines})


def test_own_images_from_their_folder_to_the_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    own_images(Path("mine"))
    monkeypatch.setenv("CIFAR10_ARCHIVE", "mine")
    download.run()
    preprocess.run()
    data = open_dataset()
    for split, rows in (
        (data.validation, slice(15)),
        (data.train, slice(15, 5 * N)),
        (data.test, slice(5 * N, None)),
    ):
        np.testing.assert_array_equal(split.images, IMAGES[rows])
        np.testing.assert_array_equal(split.labels, LABELS[rows])
    np.testing.assert_allclose(data.mean, IMAGES[15 : 5 * N].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(data.deviation, IMAGES[15 : 5 * N].std(axis=0), rtol=1e-12)
    assert data.classes == tuple(NAMES)
    assert json.loads(Path("metrics/data.json").read_text()) == {"synthetic": 0}


def test_synthetic_images_need_no_files_and_the_first_test_images_are_shown() -> None:
    preprocess.run()
    data, images = open_dataset(), synthetic.synthetic_images(1).images
    np.testing.assert_array_equal(data.train.images, images[15 : 5 * N])
    np.testing.assert_array_equal(data.test.images, images[5 * N :])
    assert data.classes == synthetic.NAMES
    assert json.loads(Path("metrics/data.json").read_text()) == {"synthetic": 1}
    picture = np.asarray(Image.open("plots/examples.png"))
    tiles = [image.reshape(3, 32, 32).transpose(1, 2, 0) for image in data.test.images[:12]]
    np.testing.assert_array_equal(picture, np.concatenate(tiles, axis=1))


def test_a_file_that_is_missing_or_has_changed_is_named() -> None:
    own_images()
    path = FOLDER / "data_batch_2"
    message = f"^{FOLDER} has no data_batch_2 with the SHA-256 .*`dvc repro --force download`$"
    for change in (lambda: path.write_bytes(b"other"), path.unlink):
        change()
        with pytest.raises(KlayerError, match=message):
            preprocess.run()
    assert not Path("data/processed").exists()


def batch(images: np.ndarray | None = None, labels: object = None) -> bytes:
    images = np.zeros((N, 3072), np.uint8) if images is None else images
    return pickle.dumps({"data": images, "labels": [1] * N if labels is None else labels}, 4)


FAULTS = {
    "cut": ("data_batch_2", batch()[:-1000], "UnpicklingError"),
    "code": ("data_batch_2", pickle.dumps({"data": Evil()}, 2), "exec is not allowed"),
    "few images": ("data_batch_2", batch(np.zeros((7, 3072), np.uint8)), r"\(7, 3072\) of uint8"),
    "floats": ("data_batch_2", batch(np.zeros((N, 3072))), "float64"),
    "label 10": ("data_batch_2", batch(labels=[10] * N), "whole numbers from 0 to 9"),
    "no names": ("batches.meta", pickle.dumps({}, 2), "KeyError: 'label_names'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_names_a_file_with_other_content(fault: str) -> None:
    name, content, reason = FAULTS[fault]
    own_images(changes={name: content})
    with pytest.raises(
        KlayerError, match=f"^{FOLDER / name} is not .*{reason}.*: correct the file"
    ):
        preprocess.run()
    assert not Path("evil").exists()


@given(arrays(np.uint8, st.tuples(st.integers(1, 3000), st.just(3)), elements=st.integers(0, 255)))
def test_measures_exactly(images: np.ndarray) -> None:
    mean, deviation = measure(images)
    np.testing.assert_allclose(mean, images.mean(axis=0), rtol=1e-12)
    expected = images.std(axis=0)
    np.testing.assert_allclose(deviation, np.where(expected == 0, 1, expected), rtol=1e-9)
