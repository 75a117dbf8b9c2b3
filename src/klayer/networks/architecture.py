"""The architecture of k-layer networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """What a network is made of.

    hidden  units of each hidden layer
    block   the layers that a hidden layer is made of, names of LAYERS; the first one is `affine`
    skip    how many hidden layers a skip connection goes over, see `skips`; 0 without
    """

    inputs: int
    hidden: tuple[int, ...]
    classes: int = 10
    block: tuple[str, ...] = ("affine", "relu")
    epsilon: float = 2.0**-52
    bn_momentum: float = 0.9
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
