"""The architecture of k-layer networks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Initialisation = Literal["uniform", "he", "normal"]


@dataclass(frozen=True)
class Architecture:
    """What all networks of a population have in common."""

    inputs: int
    hidden: tuple[int, ...]
    classes: int = 10
    batch_norm: bool = False
    epsilon: float = 2.0**-52
    momentum: float = 0.9

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(d_in, d_out) of each layer's weights, first to last."""
        units = (self.inputs, *self.hidden, self.classes)
        return list(pairwise(units))
