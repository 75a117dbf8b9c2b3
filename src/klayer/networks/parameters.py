"""The parameters of a population of k-layer networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from klayer.networks.architecture import Architecture, Initialisation
from klayer.networks.layers import Array, split


class Parameters:
    """The parameters of M networks, in few arrays, so that an update takes few calls.

    first    (d_in, M*d1)  V of the first layer's weights, W = scale * V, see InputAffine
    scale    (M*d1,)       its scale
    weights  (M, P)        all other weights, a row for each network
    vectors  (Q,)          b, gamma and beta of all layers, each as (M*d,)
    averages               running mean and variance of each layer with BN, each (M*d,)
    """

    def __init__(self, architecture: Architecture, networks: int, dtype: type = np.float32) -> None:
        self.architecture, self.networks, self.dtype = architecture, networks, np.dtype(dtype)
        (d_in, d1), *others = architecture.shapes
        self.first: Array = np.zeros((d_in, networks * d1), dtype)
        self.scale: Array = np.ones(networks * d1, dtype)
        self.weights: Array = np.zeros((networks, sum(a * b for a, b in others)), dtype)
        names = list(self._vector_sizes())
        self.vectors: Array = np.zeros(sum(size for *_, size in names), dtype)
        self.averages: list[dict[str, Array]] = [
            {"mean": np.zeros(networks * d, dtype), "variance": np.ones(networks * d, dtype)}
            for d in (architecture.hidden if architecture.batch_norm else ())
        ]
        for layer in range(len(self.averages)):
            self.layer_vectors(layer)["gamma"][:] = 1

    def _vector_sizes(self) -> Iterator[tuple[int, str, int]]:
        """(layer, name, size) of each part of `vectors`."""
        last = len(self.architecture.shapes) - 1
        for layer, (_, d_out) in enumerate(self.architecture.shapes):
            batch_norm = self.architecture.batch_norm and layer < last
            for name in ("b", "gamma", "beta") if batch_norm else ("b",):
                yield layer, name, self.networks * d_out

    def layer_vectors(self, layer: int, vectors: Array | None = None) -> dict[str, Array]:
        """Views of a layer's b, gamma and beta, (M*d,) each, in `vectors` (default: our own)."""
        source, views, start = self.vectors if vectors is None else vectors, {}, 0
        for owner, name, size in self._vector_sizes():
            if owner == layer:
                views[name] = source[start : start + size]
            start += size
        return views

    def layer_weights(self, layer: int, weights: Array | None = None) -> Array:
        """View (M, d_in, d_out) of the weights of a layer after the first (layer >= 1)."""
        source = self.weights if weights is None else weights
        start = sum(a * b for a, b in self.architecture.shapes[1:layer])
        d_in, d_out = self.architecture.shapes[layer]
        return source[:, start : start + d_in * d_out].reshape(self.networks, d_in, d_out)

    def fold_scale(self) -> None:
        """Multiplies the scale into the first layer's weights, W = V, and sets it to 1."""
        np.multiply(self.first, self.scale, out=self.first)
        self.scale[:] = 1

    def named(self) -> dict[str, Array]:
        """Every parameter by its name, with a leading axis of M: W1 (M, d_in, d_out), b1 (M, d),
        gamma1, beta1, mean1, variance1 (M, d), ... All are views; W1 is right after `fold_scale`.
        """
        m, named = self.networks, {}
        for layer, (_, d_out) in enumerate(self.architecture.shapes):
            weights = self.layer_weights(layer) if layer else split(self.first, m)
            named[f"W{layer + 1}"] = weights
            averages = self.averages[layer] if layer < len(self.averages) else {}
            for name, vector in (self.layer_vectors(layer) | averages).items():
                named[f"{name}{layer + 1}"] = vector.reshape(m, d_out)
        return named

    def reset(self, network: int) -> None:
        """Puts all weights and vectors of one network to 0, so that it guesses evenly."""
        for name, values in self.named().items():
            values[network] = 1 if name.startswith("variance") else 0

    def squared_norm(self) -> NDArray[np.float64]:
        """(M,) sums of the squares of all weights, of W = scale * V for the first layer."""
        columns = np.einsum("ij,ij->j", self.first, self.first, dtype=np.float64)
        first = (columns * self.scale.astype(np.float64) ** 2).reshape(self.networks, -1)
        others = np.einsum("mp,mp->m", self.weights, self.weights, dtype=np.float64)
        return np.asarray(first.sum(axis=1) + others)


def initialise(
    parameters: Parameters,
    generators: Sequence[np.random.Generator],
    initialisation: Initialisation,
    sigma: float,
) -> None:
    """Draws the weights of each network from its generator; biases stay 0, gamma 1, beta 0.

    "uniform": within +-1/sqrt(fan in); "he": normal with standard deviation sqrt(2 / fan in), He et
    al. (2015); "normal": with standard deviation `sigma` in every layer.
    """
    named = parameters.named()
    for network, generator in enumerate(generators):
        for layer, shape in enumerate(parameters.architecture.shapes):
            if initialisation == "uniform":
                bound = 1 / np.sqrt(shape[0])
                weights = generator.uniform(-bound, bound, shape)
            else:
                deviation = np.sqrt(2 / shape[0]) if initialisation == "he" else sigma
                weights = generator.normal(0, deviation, shape)
            named[f"W{layer + 1}"][network] = weights
