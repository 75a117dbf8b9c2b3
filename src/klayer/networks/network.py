"""A k-layer fully connected network: its layers, and both passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from klayer.networks.batch_norm import BatchNorm
from klayer.networks.layer import Array, Labels, Layer, Mode, Parameter, Residual, Sequential, Start
from klayer.networks.layers import Affine, Dropout, ReLU
from klayer.networks.loss import SoftmaxCrossEntropy


@dataclass(frozen=True)
class Architecture:
    """What a k-layer network is made of.

    hidden  units of each hidden layer
    block   the layers that a hidden layer is made of, names of LAYERS; the first one is `affine`
    skip    how many hidden layers each skip connection goes over, from the second one on, as the
            first one reads the images; what is left over at the end has none; 0 without
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


# For each name that `block` in params.yaml may use: makes the layer of so many units.
LAYERS: dict[str, Callable[[int, Architecture], Layer]] = {
    "affine": lambda units, architecture: Affine(units),
    "batch_norm": lambda units, a: BatchNorm(a.epsilon, a.bn_momentum),
    "relu": lambda units, architecture: ReLU(),
    "dropout": lambda units, architecture: Dropout(architecture.dropout),
}


class Network:
    """A block of layers for each hidden layer, then affine -> softmax.

    `initial_weights` gives the weights of a shape (units, inputs), layer after layer; without, they
    are 0. Arrays have a row for each image; dropout draws from its generator.
    """

    def __init__(
        self,
        architecture: Architecture,
        initial_weights: Callable[[tuple[int, int]], Array] = np.zeros,
        dropout: np.random.Generator | None = None,
        dtype: type = np.float32,
    ) -> None:
        self.body = Sequential(_layers(architecture))
        start = Start(np.dtype(dtype), initial_weights, dropout or np.random.default_rng(0))
        classes = self.body.build(architecture.inputs, start)
        self.output = SoftmaxCrossEntropy(classes, start.dtype, architecture.label_smoothing)
        self.parameters: dict[str, Parameter] = {}  # affine1.weight, affine1.bias, ...
        self.state: dict[str, Array] = {}  # batch_norm1.mean, batch_norm1.variance, ...
        layers, counts = list(self.body.all()), Counter[str]()
        for layer in layers:
            if layer.parameters or layer.state:
                counts[layer.kind] += 1
                layer.name = f"{layer.kind}{counts[layer.kind]}"
            self.parameters |= {f"{layer.name}.{key}": p for key, p in layer.parameters.items()}
            self.state |= {f"{layer.name}.{key}": values for key, values in layer.state.items()}
        self.affine = [layer for layer in layers if isinstance(layer, Affine)]
        self.batch_norms = [layer for layer in layers if isinstance(layer, BatchNorm)]

    def forward(self, x: Array, mode: Mode) -> Array:
        """Probabilities (n, classes) of images x (n, inputs)."""
        return self.output.forward(self.body.forward(x, mode))

    def backward(self, labels: Labels) -> None:
        """Gradients of the mean cross-entropy of the last training pass, without the L2 term."""
        self.body.backward(self.output.backward(labels))

    def squared_norm(self) -> float:
        """The sum of the squares of all weights."""
        weights = (p.value for p in self.parameters.values() if p.decays)
        return float(sum(np.square(w, dtype=np.float64).sum() for w in weights))

    def arrays(self) -> dict[str, Array]:
        """All parameters and running averages by name, as they are: right until the next step."""
        return {name: p.value for name, p in self.parameters.items()} | self.state

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Takes the values of `arrays`, named as `arrays()` names them.

        Raises KeyError when one is missing, ValueError when one has another shape.
        """
        for name, values in self.arrays().items():
            if arrays[name].shape != values.shape:
                raise ValueError(f"{name} has the shape {arrays[name].shape}, not {values.shape}")
            values[:] = arrays[name]

    def reset(self) -> None:
        """Puts all parameters to 0, so that every class has the same probability, and running
        averages to their start.
        """
        for parameter in self.parameters.values():
            parameter.value[:] = 0
        for layer in self.batch_norms:
            layer.mean[:], layer.variance[:] = 0, 1

    def description(self) -> list[dict[str, Any]]:
        """The layers in their order, with the names of their arrays: what it takes to build the
        network elsewhere.
        """
        layers: list[dict[str, Any]] = self.body.description()["layers"]
        return layers


def _layers(architecture: Architecture) -> list[Layer]:
    hidden = [
        [LAYERS[name](units, architecture) for name in architecture.block]
        for units in architecture.hidden
    ]
    if skip := architecture.skip:
        for start in reversed(range(1, len(hidden) - skip + 1, skip)):
            hidden[start : start + skip] = [_skip(hidden[start : start + skip])]
    layers = [*chain.from_iterable(hidden), Affine(architecture.classes)]
    if isinstance(layers[0], Affine):
        layers[0].reads_images = True
    return layers


def _skip(blocks: Sequence[Sequence[Layer]]) -> list[Layer]:
    """Hidden layers with a skip connection, whose sum stands before the last activation function.

    He et al. (2016), "Deep Residual Learning for Image Recognition", figure 2.
    """
    *before, last = blocks
    end = max((i for i, layer in enumerate(last) if layer.activates), default=len(last))
    return [Residual([*chain.from_iterable(before), *last[:end]]), *last[end:]]
