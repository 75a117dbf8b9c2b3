"""Trained parameters as files, and networks made of them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import Dataset, Split
from klayer.errors import KlayerError
from klayer.files import write_arrays
from klayer.networks.architecture import Architecture
from klayer.training.job import Arrays

if TYPE_CHECKING:  # loads all that computes, which saving does not need
    from klayer.networks.parameters import Parameters


def save_model(path: Path, architecture: Architecture, named: Arrays) -> None:
    """Writes the parameters of M networks: W1 (M, d_in, d_out), b1 (M, d_out), ... as .npz."""
    has_norm = "batch_norm" in architecture.block
    batch_norm = {"epsilon": np.array(architecture.epsilon)} if has_norm else {}
    write_arrays(path, named | batch_norm)


def load_model(path: Path) -> tuple[Architecture, Parameters]:
    """The networks that `save_model` wrote. Raises KlayerError when there are none at `path`."""
    from klayer.networks.network import restored

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            named = {name: arrays[name] for name in arrays.files}
        architecture = _architecture(named)
        return architecture, restored(architecture, named)
    except Exception as error:  # a file of another kind makes the reader raise almost anything
        raise KlayerError(f"{path} holds no networks ({error}): run `dvc repro`") from error


def _architecture(named: Arrays) -> Architecture:
    weights = [named[f"W{layer + 1}"] for layer in range(sum(name[0] == "W" for name in named))]
    hidden = tuple(w.shape[2] for w in weights[:-1])
    inputs, classes = weights[0].shape[1], weights[-1].shape[2]
    if "epsilon" not in named:
        return Architecture(inputs, hidden, classes)
    block = ("affine", "batch_norm", "relu")
    return Architecture(inputs, hidden, classes, block, float(named["epsilon"]))


def probabilities(
    networks: tuple[Architecture, Parameters], dataset: Dataset, part: Split
) -> NDArray[np.floating]:
    """Probabilities (N, M, C) that each of the M networks gives for the N images of a part."""
    from klayer.training.evaluation import Evaluator

    return Evaluator(*networks, dataset).probabilities(part)
