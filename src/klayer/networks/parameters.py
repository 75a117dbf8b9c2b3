"""The parameters of a population in few arrays, so that an update takes few calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from klayer.networks.arrays import Array
from klayer.networks.input_weight import InputWeight

Draw = Callable[[tuple[int, ...]], Array]  # initial weights of a shape, for one network


class View:
    """A parameter of all networks: a part of a slab, and the same part of its gradient."""

    value: Array  # (M, d_in, d_out) or (M*d,)
    grad: Array  # of the same shape

    def __init__(self, networks: int, shape: tuple[int, ...], fill: float, decays: bool) -> None:
        self.each = (networks, *shape)
        self.fill, self.decays = fill, decays

    @property
    def values(self) -> Array:
        """The part of each network, (M, d_in, d_out) or (M, d)."""
        return self.value.reshape(self.each)

    def gradients(self) -> Array:
        """The gradient of each network's part, of the shape of `values`."""
        return self.grad.reshape(self.each)


class Slab:
    """One array (rows, size) for many parameters, and one for their gradients.

    It grows while layers are built; its views always show their part of the present array.
    """

    def __init__(self, rows: int, dtype: np.dtype) -> None:
        self.value: Array = np.zeros((rows, 0), dtype)
        self.grad: Array = np.zeros((rows, 0), dtype)
        self.views: list[tuple[View, tuple[int, ...]]] = []

    def add(self, view: View, shape: tuple[int, ...]) -> View:
        """Makes room for a parameter of this shape, whose value is then `view.fill` everywhere."""
        self.views.append((view, shape))
        rows = len(self.value)
        more = np.full((rows, math.prod(shape) // rows), view.fill, self.value.dtype)
        self.value = np.concatenate([self.value, more], axis=1)
        self.grad = np.zeros_like(self.value)
        start = 0
        for known, known_shape in self.views:
            part = np.s_[:, start : start + math.prod(known_shape) // rows]
            known.value = self.value[part].reshape(known_shape)
            known.grad = self.grad[part].reshape(known_shape)
            start = part[1].stop
        return view

    def columns(self, network: int) -> Iterator[slice]:
        """Where the parts of a network stand in the row that all networks share."""
        start = 0
        for view, shape in self.views:
            size = math.prod(view.each[1:])
            yield slice(start + network * size, start + (network + 1) * size)
            start += math.prod(shape)


class Parameters:
    """The parameters of M networks, by their names: W1, b1, gamma1, ..., W2, ...

    inputs   weights that read the images
    weights  (M, P)  all other weights, a row for each network; they decay
    vectors  (1, Q)  what does not decay, each as (M*d,): b, gamma, beta
    state    (1, R)  what is not trained, each as (M*d,): running averages

    Layers add theirs through a `Store`, when the first network is built. The initial weights of
    each network come from its function in `draws`; without, they are 0.
    """

    def __init__(self, networks: int, dtype: type = np.float32, draws: Sequence[Draw] = ()) -> None:
        self.networks, self.dtype, self.draws = networks, np.dtype(dtype), draws
        self.inputs: list[InputWeight] = []
        self.weights = Slab(networks, self.dtype)
        self.vectors, self.state = Slab(1, self.dtype), Slab(1, self.dtype)
        self.trained: dict[str, View | InputWeight] = {}
        self.all: dict[str, View | InputWeight] = {}
        self.flags: dict[str, NDArray[np.bool_]] = {}

    def add_input_weight(self, name: str, d_in: int, d_out: int) -> None:
        """Weights (M, d_in, d_out) that read the same images, d_in numbers each."""
        weight = InputWeight(self.networks, d_in, d_out, self.dtype)
        self._draw(weight.values)
        self.inputs.append(weight)
        self.all[name] = self.trained[name] = weight

    def add_weight(self, name: str, d_in: int, d_out: int) -> None:
        """Weights (M, d_in, d_out)."""
        view = View(self.networks, (d_in, d_out), 0, decays=True)
        self.weights.add(view, (self.networks, d_in, d_out))
        self._draw(view.values)
        self.all[name] = self.trained[name] = view

    def add_vector(self, name: str, d: int, fill: float) -> None:
        """A vector (M*d,) that is trained and does not decay."""
        view = View(self.networks, (d,), fill, decays=False)
        self.all[name] = self.trained[name] = self.vectors.add(view, (self.networks * d,))

    def add_state(self, name: str, d: int, fill: float) -> None:
        """A vector (M*d,) that is not trained."""
        view = View(self.networks, (d,), fill, decays=False)
        self.all[name] = self.state.add(view, (self.networks * d,))

    def _draw(self, values: Array) -> None:
        for of_one, draw in zip(values, self.draws, strict=False):
            of_one[:] = draw(of_one.shape)

    def named(self) -> dict[str, Array]:
        """Views of all parameters by name: W1 (M, d_in, d_out), b1 (M, d_out), gamma1, beta1,
        mean1, variance1 (M, d), ...; right until the next update.
        """
        for weight in self.inputs:
            weight.fold()
        return {name: view.values for name, view in self.all.items()}

    def gradients(self) -> dict[str, Array]:
        """Of the last backward pass, by name, without the L2 term; valid until the next pass."""
        return {name: view.gradients() for name, view in self.trained.items()}

    def reset(self, network: int) -> None:
        """Puts all weights and vectors of one network to 0, so that it guesses evenly."""
        for name, view in self.all.items():
            view.values[network] = 0 if name in self.trained else view.fill

    def squared_norm(self) -> NDArray[np.float64]:
        """(M,) sums of the squares of all weights."""
        total = np.einsum("mp,mp->m", *[self.weights.value] * 2, dtype=np.float64)
        for weight in self.inputs:
            total = weight.squared_norm() + total
        return np.asarray(total)
