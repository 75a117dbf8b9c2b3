"""Trained networks come back from their file as they were, for klayer and for others."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from klayer.training.run import train
from safetensors import safe_open
from safetensors.numpy import save_file

import klayer
from conftest import block, same_start, tiny_settings
from klayer import params
from klayer.data.dataset import CLASSES, Dataset
from klayer.errors import KlayerError
from klayer.training import results
from klayer.training.job import Outcome
from klayer.training.models import parameters_sha256, save_networks
from klayer.training.settings import Training
from plain import forward


def settings(**changes: Any) -> Training:
    sections = tiny_settings()
    sections["training"] |= {"epsilon": 1e-3, "l2": 0.01} | changes
    return params.section(sections, "training", Training)


def trained(dataset: Dataset, path: Path, training: Training) -> list[Outcome]:
    outcomes = [train(same_start(training, (0.01,), seed), dataset) for seed in training.seeds]
    save_networks(path, training, results.parameters(outcomes), dataset)
    return outcomes


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("hidden", [[], [8], [8, 6, 5]])
def test_networks_that_are_loaded_decide_as_they_did(
    dataset: Dataset, tmp_path: Path, batch_norm: bool, hidden: list[int]
) -> None:
    path = tmp_path / "networks.safetensors"
    training = settings(block=block(batch_norm), hidden=hidden)
    outcomes = trained(dataset, path, training)
    networks = klayer.load_networks(str(path))
    assert networks.seeds == (1, 2)
    assert networks.classes == CLASSES
    assert networks.training == training
    of_each = networks.probabilities(dataset.test.images)
    assert of_each.shape == (100, 2, 10)
    examples = np.concatenate([o.predictions["examples"] for o in outcomes])
    np.testing.assert_allclose(of_each[:12].swapaxes(0, 1), examples, rtol=1e-5, atol=1e-7)
    hits = (of_each.argmax(axis=2) == dataset.test.labels[:, np.newaxis]).mean(axis=0)
    np.testing.assert_allclose(hits, [o.final["test_accuracy"][0] for o in outcomes])


def read(path: Path, framework: str = "np") -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and settings, as someone reads them who has no klayer."""
    with safe_open(path, framework) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["klayer"])


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_file_alone_says_how_to_classify(
    dataset: Dataset, tmp_path: Path, batch_norm: bool
) -> None:
    path = tmp_path / "networks.safetensors"
    trained(dataset, path, settings(block=block(batch_norm)))
    tensors, about = read(path)
    images = (dataset.test.images - tensors.pop("mean")) / tensors.pop("deviation")
    found = klayer.load_networks(path).probabilities(dataset.test.images)
    for m in range(2):
        of_one = {name: values[m].astype(np.float64) for name, values in tensors.items()}
        expected, _ = forward(of_one, images, False, about["training"]["epsilon"])
        np.testing.assert_allclose(found[:, m], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_same_networks_in_pytorch(dataset: Dataset, tmp_path: Path, batch_norm: bool) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "networks.safetensors"
    trained(dataset, path, settings(block=block(batch_norm)))
    t, about = read(path, "pt")
    epsilon, m = about["training"]["epsilon"], 1
    x = ((torch.tensor(np.array(dataset.test.images)) - t["mean"]) / t["deviation"]).float()
    for k in range(1, len(about["training"]["hidden"]) + 1):
        x = x @ t[f"W{k}"][m] + t[f"b{k}"][m]
        if f"gamma{k}" in t:
            names = ("mean", "variance", "gamma", "beta")
            x = torch.nn.functional.batch_norm(x, *(t[f"{n}{k}"][m] for n in names), eps=epsilon)
        x = x.relu()
    last = len(about["training"]["hidden"]) + 1
    found = (x @ t[f"W{last}"][m] + t[f"b{last}"][m]).softmax(dim=1)
    expected = klayer.load_networks(path).probabilities(dataset.test.images)[:, m]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-6)


def test_images_with_the_colours_last_are_the_same_images(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "networks.safetensors"
    trained(dataset, path, settings())
    networks, images = klayer.load_networks(path), dataset.test.images[:5]
    pictures = images.reshape(5, 3, 32, 32).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(networks.probabilities(pictures), networks.probabilities(images))
    assert networks.probabilities(images[:0]).shape == (0, 2, 10)
    assert networks.probabilities(pictures[:0]).shape == (0, 2, 10)


@pytest.mark.parametrize(
    ("shape", "kind", "says"),
    [
        ((2, 100), np.uint8, r"the shape \(2, 100\), it has to be \(N, 3072\) or \(N, 32, 32, 3\)"),
        ((32, 32, 3), np.uint8, r"the shape \(32, 32, 3\), it has to be \(N, 3072\) or"),
        ((2, 3, 32, 32), np.uint8, r"the shape \(2, 3, 32, 32\), it has to be"),
        ((3072,), np.uint8, r"the shape \(3072,\), it has to be"),
        ((2, 3072), np.float64, "float64, they have to be uint8, 0 to 255"),
    ],
)
def test_wrong_images(
    dataset: Dataset, tmp_path: Path, shape: tuple[int, ...], kind: type, says: str
) -> None:
    path = tmp_path / "networks.safetensors"
    trained(dataset, path, settings())
    with pytest.raises(KlayerError, match=says):
        klayer.load_networks(path).probabilities(np.zeros(shape, kind))


def test_rows_of_unequal_length_are_no_images(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "networks.safetensors"
    trained(dataset, path, settings())
    with pytest.raises(KlayerError, match="the images are no array"):
        klayer.load_networks(path).probabilities([[1, 2], [3]])  # type: ignore[arg-type]


def test_equal_networks_are_equal_bytes_in_every_process(dataset: Dataset, tmp_path: Path) -> None:
    path, again = tmp_path / "networks.safetensors", tmp_path / "again.safetensors"
    (first, _) = trained(dataset, path, settings())
    mixed = dict(reversed(first.parameters.items()))
    training = settings(seeds=[1])
    save_networks(path, training, first.parameters, dataset)
    save_networks(again, training, mixed, dataset)
    assert path.read_bytes() == again.read_bytes()
    code = "import hashlib, sys; from klayer import load_networks as load\n"
    code += "from klayer.training.models import save_networks as save; from pathlib import Path\n"
    code += "n = load(sys.argv[1]); save(Path(sys.argv[2]), n.training, n.parameters.named(), n)"
    for _ in range(3):  # with a hash seed of its own each
        subprocess.run([sys.executable, "-c", code, path, again], check=True)
        assert path.read_bytes() == again.read_bytes()


def test_a_digest_tells_networks_apart_and_anyone_can_compute_it(
    dataset: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "networks.safetensors"
    outcomes = trained(dataset, path, settings(block=block(True)))
    parameters = results.parameters(outcomes)
    of_each = parameters_sha256(parameters)
    assert len(set(of_each)) == 2
    tensors, _ = read(path)
    for m, expected in enumerate(of_each):
        digest = hashlib.sha256()
        for name in sorted(set(tensors) - {"mean", "deviation"}):
            digest.update(name.encode() + tensors[name][m].astype("<f4").tobytes())
        assert digest.hexdigest() == expected
    for name in parameters:  # one bit of any parameter is seen, of that network alone
        changed = {n: v.copy() for n, v in parameters.items()}
        changed[name][1].reshape(-1)[-1:].view(np.uint32)[:] ^= 1
        first, second = parameters_sha256(changed)
        assert first == of_each[0]
        assert second != of_each[1]


def test_a_file_that_holds_no_networks(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "networks.safetensors"
    trained(dataset, path, settings())
    whole, (tensors, about) = path.read_bytes(), read(path)
    contents = {"cut": whole[:100], "half": whole[: len(whole) // 2], "empty": b"", "text": b"hi"}
    for content in contents.values():
        path.write_bytes(content)
        with pytest.raises(KlayerError, match=f"{path} holds no networks.*run `dvc repro`"):
            klayer.load_networks(path)
    metadata = {"klayer": json.dumps(about)}
    strange = {"klayer": json.dumps(about | {"training": {}})}
    one_seed = {"klayer": json.dumps(about | {"training": about["training"] | {"seeds": [1]}})}
    short = tensors | {"W1": np.ascontiguousarray(tensors["W1"][:, :9])}
    without = {name: values for name, values in tensors.items() if name != "b1"}
    for wrong, told in (
        (tensors, None),
        (tensors, strange),
        (tensors, one_seed),
        (short, metadata),
        (without, metadata),
    ):
        save_file(wrong, path, metadata=told)
        with pytest.raises(KlayerError, match="holds no networks") as caught:
            klayer.load_networks(path)
        assert "\n" not in str(caught.value)
    for other in (tmp_path / "nothing.safetensors", tmp_path):
        with pytest.raises(KlayerError, match="holds no networks"):
            klayer.load_networks(other)


def test_what_klayer_offers() -> None:
    assert klayer.__all__ == ["load_networks"]
    with pytest.raises(AttributeError, match="'klayer' has no attribute 'nothing'"):
        _ = klayer.nothing
