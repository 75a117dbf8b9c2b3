"""The files of `preprocess`: opened, or the faulty one is named."""

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


def test_images_are_mapped_into_memory(folder: Path) -> None:
    data = open_dataset(str(folder))
    for part, count in COUNTS.items():
        split = getattr(data, part)
        assert split.images.shape == (count, 3072)
        assert split.labels.shape == (count,)
        assert len(split.head(7)) == 7
        assert isinstance(split.images.base, np.memmap)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("train_images", np.zeros((300, 100), np.uint8)),
        ("validation_images", np.zeros((0, 3072), np.uint8)),
        ("test_images", np.zeros((100, 3072))),
        ("train_labels", np.zeros(299, np.uint8)),
        ("mean", np.zeros(3)),
    ],
)
def test_names_a_file_of_another_shape(name: str, array: np.ndarray, folder: Path) -> None:
    np.save(folder / f"{name}.npy", array)
    with pytest.raises(KlayerError, match=rf"{name}\.npy is \(.*: run `dvc repro preprocess`"):
        open_dataset(folder)


@pytest.mark.parametrize("name", ["train_images.npy", "train_labels.npy", "classes.json"])
@pytest.mark.parametrize("size", [None, 0, -7])
def test_refuses_a_missing_or_truncated_file(name: str, size: int | None, folder: Path) -> None:
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    if size is not None:
        (folder / name).write_bytes(content[:size])
    with pytest.raises(KlayerError, match=rf"^{folder} does not hold .*: run `dvc repro prep.*$"):
        open_dataset(folder)
