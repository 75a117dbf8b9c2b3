"""Trained networks as files, with all that is needed to classify a picture.

A file of safetensors holds the parameters of M networks by name, float32: W1 (M, d_in, d_out),
b1 (M, d_out), with batch norm gamma1, beta1, mean1, variance1 (M, d_out), W2, ...; and `mean` and
`deviation` (d_in,), float64, of the training images. Its metadata have one key, `klayer`, with
JSON: `classes`, the names of the outputs, and `training`, the settings that the networks were
trained by, among them hidden, block, epsilon, l2 and seeds, one for each network. (Several keys
would come in another order each time.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from klayer.data.dataset import CLASSES, PIXELS, Dataset, Split
from klayer.errors import KlayerError
from klayer.files import whole_file
from klayer.training.job import Arrays
from klayer.training.settings import Training

if TYPE_CHECKING:  # loads all that computes, which saving does not need
    from klayer.networks.parameters import Parameters

IMAGE = (32, 32, 3)  # rows, columns, colours


@dataclass(frozen=True)
class Networks:
    """Trained networks: those of one file, trained alike, one for each seed."""

    classes: tuple[str, ...]
    training: Training
    parameters: Parameters  # `parameters.named()` gives them by name, with a leading axis of M
    mean: NDArray[np.float64]  # (d_in,) of the training images
    deviation: NDArray[np.float64]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each network."""
        return self.training.seeds

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (N, M, C): of each class, by each of the M networks, for N images.

        `images` are 8-bit, (N, 32, 32, 3) with the colours last, or (N, 3072) as CIFAR-10 has them:
        rows of red, then green, then blue. Raises KlayerError for others.
        """
        from klayer.training.evaluation import Evaluator

        rows = _rows(images)
        if not len(rows):
            return np.empty((0, len(self.seeds), len(self.classes)), np.float32)
        part = Split(rows, np.zeros(len(rows), np.uint8))
        dataset = Dataset(part, part, part, self.mean, self.deviation)
        architecture = self.training.architecture(len(self.mean))
        return Evaluator(architecture, self.parameters, dataset).probabilities(part)


def _rows(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The images as (N, 3072)."""
    try:
        images = np.asarray(images)
    except ValueError as error:
        raise KlayerError(f"the images are no array ({error})") from None
    if images.dtype != np.uint8:
        raise KlayerError(f"the images are {images.dtype}, they have to be uint8, 0 to 255")
    if images.shape[1:] == IMAGE:
        return images.transpose(0, 3, 1, 2).reshape(-1, PIXELS)
    if images.shape[1:] == (PIXELS,):
        return np.ascontiguousarray(images)
    raise KlayerError(
        f"the images have the shape {images.shape}, it has to be (N, {PIXELS}) or "
        f"(N, {', '.join(map(str, IMAGE))})"
    )


def save_networks(path: Path, training: Training, parameters: Arrays, dataset: Dataset) -> None:
    """Writes trained networks, one for each of training's seeds; the same bytes for the same."""
    about = {"classes": CLASSES, "training": training.model_dump(exclude_defaults=True)}
    tensors = parameters | {"mean": dataset.mean, "deviation": dataset.deviation}
    contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    with whole_file(path) as partial:
        save_file(contiguous, partial, metadata={"klayer": json.dumps(about, sort_keys=True)})


def load_networks(path: str | PathLike[str]) -> Networks:
    """The networks of a file of `save_networks`. Raises KlayerError when there are none."""
    try:
        with safe_open(path, framework="np") as file:
            about = json.loads(file.metadata()["klayer"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
        return _networks(about, tensors)
    except Exception as error:  # a file of another kind makes the reader raise almost anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise KlayerError(f"{path} holds no networks ({reason}): run `dvc repro`") from error


def _networks(about: Mapping[str, Any], tensors: Arrays) -> Networks:
    from klayer.networks.network import restored

    training = Training(**about["training"])
    mean, deviation = tensors["mean"], tensors["deviation"]
    parameters = restored(training.architecture(len(mean)), tensors)
    if parameters.networks != len(training.seeds):
        raise ValueError(f"{parameters.networks} networks, {len(training.seeds)} seeds")
    return Networks(tuple(about["classes"]), training, parameters, mean, deviation)


def parameters_sha256(parameters: Arrays) -> list[str]:
    """The SHA-256 of each network's trained parameters, as `plots/seeds/NAME.csv` has it.

    Of one network it is that of: for each parameter, in the order of their names in ASCII (W1, W2,
    ..., b1, ...), its name in ASCII, then its values, row by row, as little-endian float32. From
    the file NAME.safetensors, for network m:

        digest = hashlib.sha256()
        for name in sorted(set(file.keys()) - {"mean", "deviation"}):
            digest.update(name.encode() + file.get_tensor(name)[m].astype("<f4").tobytes())
        digest.hexdigest()
    """
    return [_sha256(parameters, network) for network in range(len(parameters["W1"]))]


def _sha256(parameters: Arrays, network: int) -> str:
    digest = hashlib.sha256()
    for name in sorted(parameters):
        digest.update(name.encode() + parameters[name][network].astype("<f4").tobytes())
    return digest.hexdigest()
