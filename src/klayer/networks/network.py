"""Both passes of a population of k-layer fully connected networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from klayer.networks.architecture import LAYERS, Architecture, skips
from klayer.networks.arrays import Array, Labels
from klayer.networks.layer import Layer, Mode, Residual, Sequential
from klayer.networks.layers import Affine, InputAffine
from klayer.networks.output import SoftmaxCrossEntropy
from klayer.networks.parameters import Parameters
from klayer.networks.store import Store


class Network:
    """The passes of a population over `samples` rows at a time, with arrays for that many.

    A block of layers for each hidden layer, then affine -> softmax. Several networks may share the
    same Parameters: one for training, and others, which do not train, for evaluation. One that
    trains with dropout needs a generator for each of the M.
    """

    def __init__(
        self,
        architecture: Architecture,
        parameters: Parameters,
        samples: int,
        trains: bool = True,
        generators: Sequence[np.random.Generator] = (),
    ) -> None:
        self.parameters, self.samples = parameters, samples
        store = Store(parameters, samples, trains, generators)
        hidden, self.last = _layers(architecture)
        self.body = Sequential([*hidden, self.last])
        classes = self.body.build(architecture.inputs, store)
        smoothing = architecture.label_smoothing if trains else 0
        self.output = SoftmaxCrossEntropy(
            parameters.networks, samples, classes, parameters.dtype, smoothing
        )
        self.scores = store.all_scores  # of each layer with weights, (n, M*d)

    def forward(self, x: Array, mode: Mode) -> Array:
        """Probabilities (n, M, C) of images x (n, d_in)."""
        return self.output.forward(self.body.forward(x, mode))

    def backward(self, labels: Labels) -> None:
        """Gradients of the mean cross-entropy of the last training pass, without the L2 term.

        They go to the views of the parameters; that of the first layer's weights, which is large,
        is made when it is asked for.
        """
        self.body.backward(self.output.backward(labels))


def _layers(architecture: Architecture) -> tuple[list[Layer], InputAffine | Affine]:
    hidden = [
        [LAYERS[name](units, architecture) for name in architecture.block]
        for units in architecture.hidden
    ]
    if not hidden:
        return [], InputAffine(architecture.classes)
    hidden[0][0] = InputAffine(architecture.hidden[0])
    for over in reversed(skips(architecture.hidden, architecture.skip)):
        hidden[over.start : over.stop] = [_skip(hidden[over.start : over.stop])]
    return [*chain.from_iterable(hidden)], Affine(architecture.classes)


def _skip(blocks: Sequence[Sequence[Layer]]) -> list[Layer]:
    """Hidden layers with a skip connection, whose sum stands before the last activation function.

    He et al. (2016), "Deep Residual Learning for Image Recognition", figure 2.
    """
    *before, last = blocks
    end = max((i for i, layer in enumerate(last) if layer.activates), default=len(last))
    return [Residual([*chain.from_iterable(before), *last[:end]]), *last[end:]]


def restored(architecture: Architecture, named: Mapping[str, Array]) -> Parameters:
    """The parameters of trained networks, as `Parameters.named` gave them.

    Raises KeyError when one is missing, ValueError when one has another shape.
    """
    networks, dtype = len(named["W1"]), named["W1"].dtype
    parameters = Parameters(networks, dtype.type)
    Network(architecture, parameters, samples=1, trains=False)
    for name, values in parameters.named().items():
        if named[name].shape != values.shape:
            raise ValueError(f"{name} has the shape {named[name].shape}, not {values.shape}")
        values[:] = named[name]
    return parameters
