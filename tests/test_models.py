"""Trained networks come back from their file as they were, for klayer and for others."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import klayer
from conftest import BATCH_NORM, ROOT, tiny_training, write_processed
from klayer.data.dataset import CLASSES, PROCESSED, Dataset, open_dataset
from klayer.errors import KlayerError
from klayer.settings import Training
from klayer.training.models import save_networks
from klayer.training.trainer import Outcome, one_for_each_seed, parameters_sha256, train

SKIPS = {"hidden": [7, 5, 7, 6], "skip": 2, "block": [*BATCH_NORM, "dropout"], "dropout": 0.1}
AFTER = {"block": ["affine", "relu", "batch_norm"]}


def trained(dataset: Dataset, path: Path, training: Training) -> list[Outcome]:
    outcomes = [train(job, dataset) for job in one_for_each_seed(training, keep=True)]
    save_networks(path, training, [outcome.network for outcome in outcomes], dataset)
    return outcomes


@pytest.fixture(scope="module")
def saved(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks of three layers with batch norm."""
    path = tmp_path_factory.mktemp("models") / "networks.safetensors"
    trained(dataset, path, tiny_training(block=BATCH_NORM, epsilon=1e-3))
    return path


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and metadata, as someone reads them who has no klayer."""
    with safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["klayer"])


def described(layers: Any, t: dict[str, Any], x: Any, m: int) -> Any:
    """What the layers of the metadata make of x (n, d), by the plain formulas."""
    for layer in layers:
        p = {key: t[f"{layer.get('name')}.{key}"][m] for key in keys(layer)}
        match layer["layer"]:
            case "affine":
                x = x @ p["weight"].astype(float).T + p["bias"]
            case "batch_norm":
                std = np.sqrt(p["variance"] + layer["epsilon"])
                x = p["gamma"] * (x - p["mean"]) / std + p["beta"]
            case "relu":
                x = np.maximum(x, 0)
            case "residual":
                x = x + described(layer["layers"], t, x, m)
            case "dropout":
                pass
            case other:
                raise AssertionError(other)
    return x


def keys(layer: dict[str, Any]) -> list[str]:
    arrays = {"affine": ["weight", "bias"], "batch_norm": ["gamma", "beta", "mean", "variance"]}
    return arrays.get(layer["layer"], [])


@pytest.mark.parametrize(
    "changes", [{"hidden": []}, {"hidden": [17, 6, 5], "block": BATCH_NORM}, AFTER, SKIPS]
)
def test_a_file_gives_back_its_networks_and_says_how_to_classify(
    dataset: Dataset, tmp_path: Path, changes: dict[str, Any]
) -> None:
    path, training = tmp_path / "networks.safetensors", tiny_training(epsilon=1e-3, **changes)
    outcomes = trained(dataset, path, training)
    networks = klayer.load_networks(str(path))
    assert (networks.seeds, networks.classes) == ((1, 2), CLASSES)
    assert networks.training == training
    tensors, header = read(path)
    probabilities = networks.probabilities(dataset.test.images)
    assert probabilities.shape == (100, 2, 10)
    images = (dataset.test.images - tensors["mean"]) / tensors["deviation"]
    for m, outcome in enumerate(outcomes):
        assert networks.arrays.keys() == outcome.network.keys()
        digest = hashlib.sha256()  # as anyone computes it
        for name in sorted(set(tensors) - {"mean", "deviation"}):
            np.testing.assert_array_equal(networks.arrays[name][m], outcome.network[name])
            digest.update(name.encode() + tensors[name][m].astype("<f4").tobytes())
        assert digest.hexdigest() == outcome.row["parameters_sha256"]
        np.testing.assert_array_equal(probabilities[:12, m], outcome.predictions["examples"])
        right = probabilities[:, m].argmax(axis=1) == dataset.test.labels
        assert right.mean() == outcome.row["test_accuracy"]
        powers = np.exp(described(header["layers"], tensors, images, m))
        expected = powers / powers.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(probabilities[:, m], expected, rtol=1e-3, atol=1e-6)


def test_arrays_with_padded_rows_are_written_as_they_are(dataset: Dataset, tmp_path: Path) -> None:
    """safetensors alone would write them in another order."""
    path, training = tmp_path / "networks.safetensors", tiny_training(hidden=[3], seeds=[1])
    memory = np.arange(3 * 3088, dtype=np.float32).reshape(3, 3088)
    named = {
        "affine1.weight": memory[:, :3072],
        "affine1.bias": np.zeros(3, np.float32),
        "affine2.weight": memory[0, :160].reshape(10, 16)[:, :3],
        "affine2.bias": np.zeros(10, np.float32),
    }
    save_networks(path, training, [named], dataset)
    tensors, _ = read(path)
    for name, values in named.items():
        np.testing.assert_array_equal(tensors[name][0], values)


EXAMPLE = Path("data/models/three_layer_bn.safetensors")


@pytest.mark.parametrize("changes", [{}, {"block": BATCH_NORM}, AFTER])
def test_the_example_of_the_readme_gives_the_same_in_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    write_processed(PROCESSED)
    dataset = open_dataset()
    trained(dataset, EXAMPLE, tiny_training(**changes))
    tensors, header = read(EXAMPLE)
    for name in tensors:  # a unit that was never active has no variance, and gives beta
        if name.endswith(".variance"):
            tensors[name][:, 0] = 0
    save_file(tensors, EXAMPLE, metadata={"klayer": json.dumps(header)})
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    variables: dict[str, Any] = {}
    exec(next(block for block in blocks if "torch" in block), variables)
    ours = klayer.load_networks(EXAMPLE).probabilities(np.array(dataset.test.images))[:, 0]
    probabilities = variables["scores"].softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(probabilities, ours, rtol=0, atol=1e-5)


def test_the_order_of_the_numbers_of_an_image(dataset: Dataset, saved: Path) -> None:
    """Channel, row, column; with the colours last the same images."""
    networks, images = klayer.load_networks(saved), dataset.test.images[:5]
    planes = images.reshape(5, 3, 32, 32)
    pictures = planes.transpose(0, 2, 3, 1)
    assert pictures[1, 7, 9, 2] == images[1, 2 * 1024 + 7 * 32 + 9]
    expected = networks.probabilities(images)
    np.testing.assert_array_equal(networks.probabilities(pictures), expected)
    np.testing.assert_array_equal(networks.probabilities(planes.reshape(5, 3072)), expected)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 100), np.uint8),
        np.zeros((32, 32, 3), np.uint8),
        np.zeros((2, 3, 32, 32), np.uint8),
        np.zeros((2, 3072)),
    ],
)
def test_wrong_images(saved: Path, images: Any) -> None:
    shape = re.escape(str(images.shape))
    message = rf"are {images.dtype} of the shape {shape}, they have to be uint8"
    with pytest.raises(KlayerError, match=message):
        klayer.load_networks(saved).probabilities(images)


def test_networks_can_be_pickled_and_are_saved_as_equal_bytes(
    dataset: Dataset, saved: Path, tmp_path: Path
) -> None:
    networks = pickle.loads(pickle.dumps(klayer.load_networks(saved)))
    arrays = [{k: v[m] for k, v in reversed(networks.arrays.items())} for m in range(2)]
    save_networks(tmp_path / "again.safetensors", networks.training, arrays, dataset)
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_one_bit_of_any_array_changes_the_digest(saved: Path) -> None:
    networks = klayer.load_networks(saved)
    for values in networks.arrays.values():
        before = parameters_sha256(networks.arrays)
        values.reshape(-1)[-1:].view(np.uint32)[:] ^= 1
        assert parameters_sha256(networks.arrays) != before


def test_a_file_that_holds_no_networks_ends_in_a_sentence(saved: Path, tmp_path: Path) -> None:
    path, whole, (tensors, header) = tmp_path / "other.safetensors", saved.read_bytes(), read(saved)

    def refused(reason: str = "") -> None:
        with pytest.raises(KlayerError, match=f"{path} holds no networks.*run `dvc repro`") as e:
            klayer.load_networks(path)
        assert reason in str(e.value)
        assert "\n" not in str(e.value)

    def refused_with(changed: Any, training: Any, reason: str) -> None:
        contiguous = {n: np.ascontiguousarray(v) for n, v in changed.items()}
        metadata = {"klayer": json.dumps(header | {"training": training})}
        save_file(contiguous, path, metadata=metadata)
        refused(reason)

    refused()  # no file at all
    for content in (whole[: len(whole) // 2], b""):
        path.write_bytes(content)
        refused()
    save_file(tensors, path)
    refused()
    training = header["training"]
    refused_with(tensors, training | {"hidden": [8]}, "affine2")
    short = {"affine1.weight": tensors["affine1.weight"][..., :9]}
    refused_with(tensors | short, training, "affine1")
    for name in ("affine1.weight", "mean", "deviation"):
        del (fewer := dict(tensors))[name]
        refused_with(fewer, training, name)


def test_what_klayer_offers() -> None:
    assert klayer.__all__ == ["KLayerClassifier", "load_networks"]
    with pytest.raises(AttributeError, match="'klayer' has no attribute 'nothing'"):
        _ = klayer.nothing
