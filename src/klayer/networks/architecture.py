"""The architecture of k-layer networks, and the layers that it may name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klayer.networks.layer import Layer


@dataclass(frozen=True)
class Architecture:
    """What all networks of a population have in common.

    hidden  units of each hidden layer
    block   the layers that a hidden layer is made of, names of LAYERS; the first one is `affine`
    skip    how many hidden layers a skip connection goes over, see `skips`; 0 without
    """

    inputs: int
    hidden: tuple[int, ...]
    classes: int = 10
    block: tuple[str, ...] = ("affine", "relu")
    epsilon: float = 2.0**-52
    momentum: float = 0.9
    skip: int = 0
    dropout: float = 0.0
    label_smoothing: float = 0.0


def skips(hidden: Sequence[int], skip: int) -> list[range]:
    """The hidden layers, counted from 0, that each skip connection goes over.

    `skip` at a time, from the second one on: the first one reads the images. What is left over at
    the end has none.
    """
    starts = range(1, len(hidden) - skip + 1, skip) if skip else ()
    return [range(start, start + skip) for start in starts]


# The layers load Numba and SciPy, so they are imported where a network is built and not before.


def _affine(units: int, architecture: Architecture) -> Layer:
    from klayer.networks.layers import Affine

    return Affine(units)


def _batch_norm(units: int, architecture: Architecture) -> Layer:
    from klayer.networks.batch_norm import BatchNorm

    return BatchNorm(architecture.epsilon, architecture.momentum)


def _relu(units: int, architecture: Architecture) -> Layer:
    from klayer.networks.layers import ReLU

    return ReLU()


def _dropout(units: int, architecture: Architecture) -> Layer:
    from klayer.networks.dropout import Dropout

    return Dropout(architecture.dropout)


# A function for each name that `block` in params.yaml may use: makes the layer of a hidden layer
# with so many units.
LAYERS: dict[str, Callable[[int, Architecture], Layer]] = {
    "affine": _affine,
    "batch_norm": _batch_norm,
    "relu": _relu,
    "dropout": _dropout,
}
