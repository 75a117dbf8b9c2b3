"""The files of `preprocess`, opened by any path; a fault in one is told by its name."""

import re
from pathlib import Path

import numpy as np
import pytest

from conftest import COUNTS, write_processed
from klayer.data.dataset import open_dataset
from klayer.errors import KlayerError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_processed(tmp_path)
    return tmp_path


def test_takes_a_path_as_text(folder: Path) -> None:
    data = open_dataset(str(folder))
    for part, count in COUNTS.items():
        split = getattr(data, part)
        assert split.images.shape == (count, 3072)
        assert split.labels.shape == (count,)
        assert len(split.head(7)) == 7
    np.testing.assert_array_equal(data.mean, open_dataset(folder).mean)


def test_maps_images_into_memory(folder: Path) -> None:
    images = open_dataset(folder).train.images
    assert isinstance(images.base, np.memmap)
    assert images.dtype == np.uint8


FAULTS: dict[str, tuple[np.ndarray, str]] = {
    "train_images": (np.zeros((300, 100), np.uint8), "(300, 100) of uint8, it has to be (N, 3072)"),
    "validation_images": (np.zeros((0, 3072), np.uint8), "(0, 3072) of uint8, it has to be"),
    "test_images": (np.zeros((100, 3072)), "(100, 3072) of float64, it has to be (N, 3072) of u"),
    "train_labels": (np.zeros(299, np.uint8), "(299,) of uint8, it has to be (300,) of uint8"),
    "test_labels": (np.full(100, 12, np.uint8), "has the label 12, the largest is 9"),
    "mean": (np.zeros(3), "(3,) of float64, it has to be (3072,)"),
    "deviation": (np.array(["a"], object), "cannot be read (damaged)"),
}


@pytest.mark.parametrize(
    ("name", "value"), [("mean", np.nan), ("deviation", 0), ("deviation", np.inf)]
)
def test_refuses_statistics_that_images_cannot_have(name: str, value: float, folder: Path) -> None:
    array = np.load(folder / f"{name}.npy")
    array[7] = value
    np.save(folder / f"{name}.npy", array)
    with pytest.raises(KlayerError, match="has a mean or a deviation that images cannot have"):
        open_dataset(folder)


@pytest.mark.parametrize("name", FAULTS)
def test_names_a_file_of_another_shape(name: str, folder: Path) -> None:
    array, reason = FAULTS[name]
    np.save(folder / f"{name}.npy", array)
    with pytest.raises(KlayerError, match=rf"/{name}\.npy .*{re.escape(reason)}.*dvc repro"):
        open_dataset(folder)


@pytest.mark.parametrize("name", ["train_images.npy", "train_labels.npy", "classes.json"])
@pytest.mark.parametrize("size", [None, 0, 5, -7])
def test_names_a_missing_or_truncated_file(name: str, size: int | None, folder: Path) -> None:
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if size is not None:
        path.write_bytes(content[:size])
    what = "is missing" if size is None else r"cannot be read \(damaged\)"
    with pytest.raises(KlayerError, match=rf"{path} {what}: run `dvc repro preprocess`") as e:
        open_dataset(folder)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("text", ["3", '["a"]', str(["a"] * 10).replace("'", '"')])
def test_names_classes_that_cannot_be(text: str, folder: Path) -> None:
    (folder / "classes.json").write_text(text)
    with pytest.raises(
        KlayerError, match=r"classes\.json cannot be read \(damaged\): run `dvc repro preprocess"
    ):
        open_dataset(folder)
