"""Both passes of a population of k-layer fully connected networks."""

from __future__ import annotations

from collections.abc import Mapping

from klayer.networks.architecture import LAYERS, Architecture
from klayer.networks.arrays import Array, Labels
from klayer.networks.layer import Layer, Mode, Sequential
from klayer.networks.layers import Affine, InputAffine
from klayer.networks.output import SoftmaxCrossEntropy
from klayer.networks.parameters import Parameters
from klayer.networks.store import Store


class Network:
    """The passes of a population over `samples` rows at a time, with arrays for that many.

    A block of layers for each hidden layer, then affine -> softmax. Several networks may share the
    same Parameters: one for training, and others, which do not train, for evaluation.
    """

    def __init__(
        self, architecture: Architecture, parameters: Parameters, samples: int, trains: bool = True
    ) -> None:
        self.parameters, self.samples = parameters, samples
        store = Store(parameters, samples, trains)
        hidden, self.last = _layers(architecture)
        self.body = Sequential([*hidden, self.last])
        classes = self.body.build(architecture.inputs, store)
        self.output = SoftmaxCrossEntropy(parameters.networks, samples, classes, parameters.dtype)
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
        LAYERS[name](units, architecture)
        for units in architecture.hidden
        for name in architecture.block
    ]
    if not hidden:
        return [], InputAffine(architecture.classes)
    return [InputAffine(architecture.hidden[0]), *hidden[1:]], Affine(architecture.classes)


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
