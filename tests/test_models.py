"""Trained networks come back from their file as they were, for klayer and for others."""

from __future__ import annotations

import copy
import hashlib
import json
import multiprocessing
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import klayer
from conftest import BATCH_NORM, ROOT, block, tiny_training, write_processed
from klayer.data.dataset import CLASSES, PROCESSED, Dataset, open_dataset
from klayer.errors import KlayerError
from klayer.settings import Training
from klayer.training.job import Outcome, one_for_each_seed
from klayer.training.loop import train
from klayer.training.models import parameters_sha256, save_networks

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


@pytest.mark.parametrize(
    "changes",
    [{"hidden": []}, {"hidden": [8, 5]}, {"hidden": [17, 6, 5], "block": BATCH_NORM}, SKIPS],
)
def test_networks_that_are_loaded_have_the_same_bytes(
    dataset: Dataset, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Rows of 3,072 and of few numbers lie in memory with padding behind them."""
    path, training = tmp_path / "networks.safetensors", tiny_training(**changes)
    outcomes = trained(dataset, path, training)
    networks = klayer.load_networks(str(path))
    assert (networks.seeds, networks.classes) == ((1, 2), CLASSES)
    assert networks.training == training
    for m, outcome in enumerate(outcomes):
        assert networks.arrays.keys() == outcome.network.keys()
        for name, values in outcome.network.items():
            np.testing.assert_array_equal(networks.arrays[name][m], values, err_msg=name)
    of_each = networks.probabilities(dataset.test.images)
    assert of_each.shape == (100, 2, 10)
    examples = [outcome.predictions["examples"] for outcome in outcomes]
    np.testing.assert_array_equal(of_each[:12].swapaxes(0, 1), examples)
    right = (of_each.argmax(axis=2) == dataset.test.labels[:, np.newaxis]).mean(axis=0)
    assert right.tolist() == [outcome.row["test_accuracy"] for outcome in outcomes]


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


def described(layers: Any, t: dict[str, Any], x: Any, m: int) -> Any:
    """What the layers of the metadata make of x (n, d), by the plain formulas."""
    for layer in layers:
        of = {key: t[f"{layer.get('name')}.{key}"][m] for key in keys(layer)}
        match layer["layer"]:
            case "affine":
                x = x @ of["weight"].astype(float).T + of["bias"]
            case "batch_norm":
                std = np.sqrt(of["variance"] + layer["epsilon"])
                x = of["gamma"] * (x - of["mean"]) / std + of["beta"]
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
    of = {"affine": ["weight", "bias"], "batch_norm": ["gamma", "beta", "mean", "variance"]}
    return of.get(layer["layer"], [])


@pytest.mark.parametrize("changes", [{}, {"block": BATCH_NORM}, AFTER, SKIPS])
def test_the_file_alone_says_how_to_classify(
    dataset: Dataset, tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = tmp_path / "networks.safetensors"
    trained(dataset, path, tiny_training(epsilon=1e-3, **changes))
    tensors, about = read(path)
    images = (dataset.test.images - tensors["mean"]) / tensors["deviation"]
    found = klayer.load_networks(path).probabilities(dataset.test.images)
    for m in range(2):
        powers = np.exp(described(about["layers"], tensors, images, m))
        expected = powers / powers.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found[:, m], expected, rtol=1e-3, atol=1e-6)


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
    tensors, about = read(EXAMPLE)
    for name in tensors:  # a unit that was never active has no variance, and gives beta
        if name.endswith(".variance"):
            tensors[name][:, 0] = 0
    save_file(tensors, EXAMPLE, metadata={"klayer": json.dumps(about)})
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    variables: dict[str, Any] = {}
    exec(next(block for block in blocks if "torch" in block), variables)
    ours = klayer.load_networks(EXAMPLE).probabilities(np.array(dataset.test.images))[:, 0]
    found = variables["scores"].softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(found, ours, rtol=0, atol=1e-5)


def test_the_order_of_the_numbers_of_an_image(dataset: Dataset, saved: Path) -> None:
    """Channel, row, column; with the colours last the same images."""
    networks, images = klayer.load_networks(saved), dataset.test.images[:5]
    planes = images.reshape(5, 3, 32, 32)
    pictures = planes.transpose(0, 2, 3, 1)
    assert pictures[1, 7, 9, 2] == images[1, 2 * 1024 + 7 * 32 + 9]
    expected = networks.probabilities(images)
    np.testing.assert_array_equal(networks.probabilities(pictures), expected)
    np.testing.assert_array_equal(networks.probabilities(planes.reshape(5, 3072)), expected)
    for none in (images[:0], pictures[:0]):
        assert networks.probabilities(none).shape == (0, 2, 10)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((2, 100), np.uint8), r"the shape \(2, 100\), it has to be \(N, 3072\) or \(N, 3"),
        (np.zeros((32, 32, 3), np.uint8), r"the shape \(32, 32, 3\), it has to be \(N, 3072\) or"),
        (np.zeros((2, 3, 32, 32), np.uint8), r"the shape \(2, 3, 32, 32\), it has to be"),
        (np.zeros((2, 3072)), "float64, they have to be uint8, 0 to 255"),
        ([[1, 2], [3]], "the images are no array"),
    ],
)
def test_wrong_images(saved: Path, images: Any, says: str) -> None:
    with pytest.raises(KlayerError, match=says):
        klayer.load_networks(saved).probabilities(images)


def _probabilities(networks: Any, images: Any) -> Any:
    return networks.probabilities(images)


def test_networks_can_be_pickled_copied_and_sent_to_another_process(
    dataset: Dataset, saved: Path
) -> None:
    networks, images = klayer.load_networks(saved), np.array(dataset.test.images[:5])
    expected = networks.probabilities(images)
    for other in (pickle.loads(pickle.dumps(networks)), copy.deepcopy(networks)):
        np.testing.assert_array_equal(other.probabilities(images), expected)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_probabilities, (networks, images))
    np.testing.assert_array_equal(found, expected)


def test_equal_networks_are_equal_bytes_in_every_process(
    dataset: Dataset, saved: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.safetensors"
    code = "import sys; from klayer import load_networks as load; from pathlib import Path\n"
    code += "from klayer.training.models import save_networks as save; n = load(sys.argv[1])\n"
    code += "each = [{k: v[m] for k, v in reversed(n.arrays.items())} for m in range(2)]\n"
    code += "save(Path(sys.argv[2]), n.training, each, n)"
    subprocess.run([sys.executable, "-c", code, saved, again], check=True)
    assert again.read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_digest_tells_networks_apart_and_anyone_can_compute_it(
    dataset: Dataset, tmp_path: Path, batch_norm: bool
) -> None:
    path = tmp_path / "networks.safetensors"
    outcomes = trained(dataset, path, tiny_training(block=block(batch_norm)))
    expected = [outcome.row["parameters_sha256"] for outcome in outcomes]
    assert len(set(expected)) == 2
    tensors, _ = read(path)
    for m in range(2):
        digest = hashlib.sha256()
        for name in sorted(set(tensors) - {"mean", "deviation"}):
            digest.update(name.encode() + tensors[name][m].astype("<f4").tobytes())
        assert digest.hexdigest() == expected[m]
    named = outcomes[1].network
    for name in named:  # one bit of any array is seen
        changed = named | {name: named[name].copy()}
        changed[name].reshape(-1)[-1:].view(np.uint32)[:] ^= 1
        assert parameters_sha256(changed) != expected[1]


def test_a_file_that_holds_no_networks_is_told_in_a_sentence(saved: Path, tmp_path: Path) -> None:
    path, whole, (tensors, about) = tmp_path / "other.safetensors", saved.read_bytes(), read(saved)

    def told(says: str = "") -> None:
        with pytest.raises(KlayerError, match=f"{path} holds no networks.*run `dvc repro`") as e:
            klayer.load_networks(path)
        assert says in str(e.value)
        assert "\n" not in str(e.value)

    told()  # no file at all
    for content in (whole[:100], whole[: len(whole) // 2], b"", b"hi"):
        path.write_bytes(content)
        told()
    save_file(tensors, path)
    told("(the file is not one of klayer's)")
    one_seed = about["training"] | {"seeds": [1]}
    trainings: list[dict[str, Any]] = [{}, one_seed, about["training"] | {"hidden": [8]}]
    for training in trainings:
        save_file(tensors, path, metadata={"klayer": json.dumps(about | {"training": training})})
        told()
    wrong = {
        "affine1.weight": tensors["affine1.weight"][:, :, :9],
        "affine1.bias": None,
        "deviation": tensors["deviation"][:9],
        "mean": tensors["mean"][:9],
    }
    for name, values in wrong.items():
        changed = {**tensors, name: values}
        if values is None:
            del changed[name]
        contiguous = {n: np.ascontiguousarray(v) for n, v in changed.items()}
        save_file(contiguous, path, metadata={"klayer": json.dumps(about)})
        told(name)
    path.unlink()
    path.mkdir()
    told()


def test_what_klayer_offers() -> None:
    assert klayer.__all__ == ["KLayerClassifier", "load_networks"]
    with pytest.raises(AttributeError, match="'klayer' has no attribute 'nothing'"):
        _ = klayer.nothing
