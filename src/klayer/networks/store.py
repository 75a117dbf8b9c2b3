"""Where the layers of a network get their parameters and arrays when they are built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from klayer.networks.arrays import Array
from klayer.networks.input_weight import InputWeight
from klayer.networks.parameters import Parameters, View


class Store:
    """Hands out the parameters of a population, and arrays for `samples` rows, to one network.

    The first network makes the parameters, the next ones, built alike, share them. Names are
    numbered in the order in which they are asked for: W1, b1, W2, ... A network that does not train
    gets no arrays for the backward pass. `generators`, one for each of the M, are for what a
    training pass draws.
    """

    def __init__(
        self,
        parameters: Parameters,
        samples: int,
        trains: bool = True,
        generators: Sequence[np.random.Generator] = (),
    ) -> None:
        self.parameters, self.samples, self.trains = parameters, samples, trains
        self.generators = generators
        self.networks, self.dtype = parameters.networks, parameters.dtype
        self.asked: Counter[str] = Counter()
        self.all_scores: list[Array] = []  # of every layer with weights, each (n, M*d)

    def input_weight(self, kind: str, d_in: int, d_out: int) -> InputWeight:
        """Weights that read the images, which all networks share."""
        if (name := self._next(kind)) not in self.parameters.all:
            self.parameters.add_input_weight(name, d_in, d_out)
        return cast(InputWeight, self.parameters.all[name])

    def weight(self, kind: str, d_in: int, d_out: int) -> View:
        """Weights (M, d_in, d_out), which decay."""
        if (name := self._next(kind)) not in self.parameters.all:
            self.parameters.add_weight(name, d_in, d_out)
        return cast(View, self.parameters.all[name])

    def vector(self, kind: str, d: int, fill: float) -> View:
        """A vector (M*d,) that is trained and does not decay, at first `fill`."""
        if (name := self._next(kind)) not in self.parameters.all:
            self.parameters.add_vector(name, d, fill)
        return cast(View, self.parameters.all[name])

    def state(self, kind: str, d: int, fill: float) -> View:
        """A vector (M*d,) that is kept with the parameters and not trained, at first `fill`."""
        if (name := self._next(kind)) not in self.parameters.all:
            self.parameters.add_state(name, d, fill)
        return cast(View, self.parameters.all[name])

    def flag(self, kind: str) -> NDArray[np.bool_]:
        """A truth value (1,), at first false: state that only training needs, in no file."""
        return self.parameters.flags.setdefault(self._next(kind), np.zeros(1, np.bool_))

    def buffer(self, d: int) -> Array:
        """An array (n, M*d) of the layer's own."""
        return np.empty((self.samples, self.networks * d), self.dtype)

    def scores(self, d: int) -> Array:
        """A buffer (n, M*d) for the scores x W + b of a layer, which statistics look at."""
        self.all_scores.append(self.buffer(d))
        return self.all_scores[-1]

    def training_buffer(self, d: int) -> Array:
        """A buffer (n, M*d) that only training needs; without rows in a network that does not."""
        return np.empty((self.samples if self.trains else 0, self.networks * d), self.dtype)

    def _next(self, kind: str) -> str:
        self.asked[kind] += 1
        return f"{kind}{self.asked[kind]}"
