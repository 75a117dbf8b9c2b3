"""Trained networks as files, with all that is needed to classify a picture.

A file of safetensors holds the parameters of M networks, one for each seed, float32, with a leading
axis of M: affine1.weight (M, units, inputs), as PyTorch's Linear has it, affine1.bias (M, units),
with batch norm batch_norm1.gamma, .beta, .mean, .variance (M, units), affine2.weight, ...; and
`mean` and `deviation` (3072,), float64, of the training images: of each picture first the red
values, row by row, then the green, then the blue. Its metadata have one key, `klayer`, with JSON:
`classes`, the names of the outputs; `layers`, the layers in their order with the names of their
arrays; and `training`, the settings by which the networks were trained, among them the seeds.
(Several keys would come in another order each time.)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from klayer.data.dataset import PIXELS, Dataset
from klayer.errors import KlayerError
from klayer.files import whole_file
from klayer.networks.network import Network
from klayer.settings import Training
from klayer.training.evaluation import probabilities
from klayer.training.images import Normaliser
from klayer.training.trainer import Arrays, architecture

IMAGE = (32, 32, 3)  # rows, columns, colours


@dataclass(frozen=True)
class Networks:
    """Trained networks: those of one file, trained alike, one for each seed."""

    classes: tuple[str, ...]
    training: Training
    arrays: Arrays  # by name, as in the file, each with a leading axis of M
    mean: NDArray[np.float64]  # (3072,) of the training images
    deviation: NDArray[np.float64]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each network."""
        return self.training.seeds

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (N, M, C): of each class, by each of the M networks, for N images.

        `images` are 8-bit, (N, 32, 32, 3) with the colours last, or (N, 3072) as CIFAR-10 has them:
        rows of red, then green, then blue. An array with the colours first, (N, 3, 32, 32), as
        PyTorch has images, becomes that by `images.reshape(N, 3072)`. Raises KlayerError for other
        shapes and types.
        """
        rows, normaliser = _rows(images), Normaliser(self.mean, self.deviation)
        networks = map(self._network, range(len(self.seeds)))
        return np.stack([probabilities(n, normaliser, rows) for n in networks], axis=1)

    def _network(self, m: int) -> Network:
        """Raises KeyError or ValueError where arrays are missing or do not fit."""
        network = Network(architecture(self.training, PIXELS, len(self.classes)))
        network.load({name: values[m] for name, values in self.arrays.items()})
        return network


def _rows(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The images as (N, 3072)."""
    images = np.asarray(images)
    if images.dtype == np.uint8 and images.shape[1:] == IMAGE:
        return images.transpose(0, 3, 1, 2).reshape(-1, PIXELS)
    if images.dtype == np.uint8 and images.shape[1:] == (PIXELS,):
        return np.ascontiguousarray(images)
    raise KlayerError(
        f"the images are {images.dtype} of the shape {images.shape}, they have to be uint8, 0 to "
        f"255, of the shape (N, {PIXELS}) or (N, {', '.join(map(str, IMAGE))})"
    )


def save_networks(
    path: Path, training: Training, networks: Sequence[Arrays], dataset: Dataset
) -> None:
    """Writes trained networks, one for each of training's seeds; the same bytes for the same."""
    network = Network(architecture(training, len(dataset.mean), len(dataset.classes)))
    metadata = {
        "classes": dataset.classes,
        "layers": network.description(),
        "training": training.model_dump(exclude_defaults=True),
    }
    # safetensors writes arrays that are not contiguous in another order, without a word.
    tensors = {
        name: np.ascontiguousarray([arrays[name] for arrays in networks]) for name in networks[0]
    }
    tensors |= {"mean": dataset.mean, "deviation": dataset.deviation}
    with whole_file(path) as partial:
        content = save(tensors, {"klayer": json.dumps(metadata, sort_keys=True)})
        partial.write_bytes(content)  # safetensors' own writer hides what the disk says


def load_networks(path: str | PathLike[str]) -> Networks:
    """The networks of a file of `save_networks`. Raises KlayerError when there are none."""
    try:
        with safe_open(path, framework="np") as file:
            metadata = json.loads(file.metadata()["klayer"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
        mean, deviation = tensors.pop("mean"), tensors.pop("deviation")
        classes, training = tuple(metadata["classes"]), Training(**metadata["training"])
        networks = Networks(classes, training, tensors, mean, deviation)
        networks._network(len(training.seeds) - 1)  # raises where an array is missing or wrong
        return networks
    except Exception as error:  # a file of another kind makes the reader raise almost anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise KlayerError(f"{path} holds no networks ({reason}): run `dvc repro`") from error
