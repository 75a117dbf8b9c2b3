"""The preprocess stage on small batches of synthetic images."""

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

from klayer import params
from klayer.data import batches, synthetic
from klayer.data.archive import FILES, FOLDER
from klayer.data.batches import read_batches
from klayer.data.dataset import open_dataset
from klayer.errors import KlayerError
from klayer.stages import preprocess

N = 40  # images of a batch
DATA = params.read(Path(__file__).parents[1] / "params.yaml")["data"]
BATCH = FOLDER / "data_batch_2"


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a project with small batches; the function writes its params.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batches, "BATCH", N)
    monkeypatch.setattr(synthetic, "BATCH", N)
    synthetic.write_batches(1)

    def write(**changes: object) -> None:
        data = DATA | {"source": "synthetic", "validation": 15} | changes
        Path("params.yaml").write_text(json.dumps({"data": data}))

    write()
    return write


def lines() -> list[str]:
    """What sha256sum prints of the files."""
    contents = ((name, (FOLDER / name).read_bytes()) for name in FILES)
    return [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in contents]


def test_divides_and_measures(configure: Callable[..., None]) -> None:
    preprocess.run()
    data, (train, test) = open_dataset(), read_batches({})
    np.testing.assert_array_equal(data.validation.images, train.images[:15])
    np.testing.assert_array_equal(data.validation.labels, train.labels[:15])
    np.testing.assert_array_equal(data.train.images, train.images[15:])
    np.testing.assert_array_equal(data.train.labels, train.labels[15:])
    np.testing.assert_array_equal(data.test.images, test.images)
    np.testing.assert_array_equal(data.test.labels, test.labels)
    np.testing.assert_allclose(data.mean, train.images[15:].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(data.deviation, train.images[15:].std(axis=0), rtol=1e-12)


def test_reads_what_pickle_reads(configure: Callable[..., None]) -> None:
    train, test = read_batches({})
    names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
    parts = [pickle.loads((FOLDER / name).read_bytes(), encoding="bytes") for name in names]
    data = np.concatenate([part[b"data"] for part in parts])
    labels = np.concatenate([part[b"labels"] for part in parts])
    np.testing.assert_array_equal(np.concatenate([train.images, test.images]), data)
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), labels)


def test_says_whether_the_images_are_synthetic(configure: Callable[..., None]) -> None:
    for source, flag in (("synthetic", 1), ("cifar10", 0)):
        configure(source=source, sha256=lines())
        preprocess.run()
        assert json.loads(Path("metrics/data.json").read_text()) == {"synthetic": flag}


def test_shows_the_first_test_images(configure: Callable[..., None]) -> None:
    preprocess.run()
    picture = np.asarray(Image.open("plots/examples.png"))
    assert picture.shape == (32, 12 * 32, 3)
    for i, image in enumerate(open_dataset().test.images[:12]):
        tile = picture[:, 32 * i : 32 * (i + 1)]
        np.testing.assert_array_equal(tile, image.reshape(3, 32, 32).transpose(1, 2, 0))


def test_refuses_a_file_with_another_digest(configure: Callable[..., None]) -> None:
    configure(source="cifar10", sha256=lines())
    BATCH.write_bytes(BATCH.read_bytes()[::-1])
    digest = hashlib.sha256(BATCH.read_bytes()).hexdigest()
    with pytest.raises(KlayerError, match=f"{BATCH} has the SHA-256 {digest}, .*--force download"):
        preprocess.run()
    assert not Path("data/processed").exists()


def test_asks_for_a_missing_file(configure: Callable[..., None]) -> None:
    BATCH.unlink()
    with pytest.raises(KlayerError, match=rf"{BATCH} .*No such file.*dvc repro --force download"):
        preprocess.run()


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (exec, ("import pathlib; pathlib.Path('evil').touch()",))


def batch(images: object = None, labels: object = None) -> bytes:
    images = np.zeros((N, 3072), np.uint8) if images is None else images
    return pickle.dumps({"data": images, "labels": [1] * N if labels is None else labels}, 4)


DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "EOFError"),
    "cut": (batch()[:-1000], "UnpicklingError"),
    "code": (pickle.dumps({"data": Evil()}, 2), "exec has no place in it"),
    "a list": (pickle.dumps([], 2), "TypeError"),
    "no labels": (pickle.dumps({"data": np.zeros((N, 3072), np.uint8)}, 4), "KeyError"),
    "few images": (batch(np.zeros((7, 3072), np.uint8)), r"\(7, 3072\).*not \(40, 3072\)"),
    "floats": (batch(np.zeros((N, 3072))), "float64"),
    "few labels": (batch(labels=[1]), r"labels \(1,\)"),
    "label 10": (batch(labels=[10] * N), "from 0 to 9"),
    "text": (batch(labels=["1"] * N), "from 0 to 9"),
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_names_a_damaged_file(fault: str, configure: Callable[..., None]) -> None:
    content, reason = DAMAGED[fault]
    BATCH.write_bytes(content)
    with pytest.raises(KlayerError, match=rf"^{BATCH} .*{reason}.*dvc repro --force download") as e:
        preprocess.run()
    assert "\n" not in str(e.value)
    assert not Path("evil").exists()


def test_takes_a_sound_replacement(configure: Callable[..., None]) -> None:
    """What `batch` makes is refused for the change alone."""
    BATCH.write_bytes(batch())
    assert not read_batches({})[0].images[N : 2 * N].any()


@given(arrays(np.uint8, st.tuples(st.integers(1, 3000), st.just(3)), elements=st.integers(0, 255)))
def test_measures_exactly(images: np.ndarray) -> None:
    mean, deviation = preprocess.measure(images)
    np.testing.assert_allclose(mean, images.mean(axis=0), rtol=1e-12)
    expected = images.std(axis=0)
    np.testing.assert_allclose(deviation, np.where(expected == 0, 1, expected), rtol=1e-9)
