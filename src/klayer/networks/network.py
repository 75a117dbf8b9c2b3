"""Both passes of a population of k-layer fully connected networks.

affine -> (batch norm) -> ReLU for each hidden layer, affine -> softmax at the end.
"""

from __future__ import annotations

import numpy as np

from klayer.networks.batch_norm import BatchNorm
from klayer.networks.layers import Affine, Array, InputAffine, Labels, ReLU, split
from klayer.networks.output import SoftmaxCrossEntropy
from klayer.networks.parameters import Parameters


class Network:
    """The passes of a population over `samples` rows at a time, with buffers for that many.

    Several networks may share the same Parameters: one for training, one for evaluation.
    """

    def __init__(self, parameters: Parameters, samples: int) -> None:
        self.parameters, self.samples = parameters, samples
        architecture, m, dtype = parameters.architecture, parameters.networks, parameters.dtype
        self.grad_weights = np.zeros_like(parameters.weights)
        self.grad_vectors = np.zeros_like(parameters.vectors)
        self.first = self._first_affine()
        self.others = [self._affine(layer) for layer in range(1, len(architecture.shapes))]
        self.norms = [self._norm(layer) for layer in range(len(parameters.averages))]
        self.relus = [ReLU((samples, m * d), dtype) for d in architecture.hidden]
        self.output = SoftmaxCrossEntropy(m, samples, architecture.classes, dtype)

    def _first_affine(self) -> InputAffine:
        p = self.parameters
        b, grad_b = p.layer_vectors(0)["b"], p.layer_vectors(0, self.grad_vectors)["b"]
        return InputAffine(p.first, p.scale, b, grad_b, self.samples)

    def _affine(self, layer: int) -> Affine:
        p = self.parameters
        w, grad_w = p.layer_weights(layer), p.layer_weights(layer, self.grad_weights)
        b, grad_b = p.layer_vectors(layer)["b"], p.layer_vectors(layer, self.grad_vectors)["b"]
        return Affine(w, b, grad_w, grad_b, self.samples)

    def _norm(self, layer: int) -> BatchNorm:
        p = self.parameters
        return BatchNorm(
            p.layer_vectors(layer) | p.averages[layer],
            p.layer_vectors(layer, self.grad_vectors),
            self.samples,
            p.architecture.epsilon,
            p.architecture.momentum,
        )

    def forward(self, x: Array, train: bool) -> Array:
        """Probabilities (n, M, C) of images x (n, d_in).

        With `train`, batch norm uses the statistics of this batch and its averages follow them;
        without, it uses the averages and nothing changes.
        """
        scores = self.first.forward(x)
        for layer, (relu, affine) in enumerate(zip(self.relus, self.others, strict=True)):
            if self.norms:
                scores = self.norms[layer].forward(scores, train)
            scores = affine.forward(relu.forward(scores))
        return self.output.forward(scores)

    def backward(self, labels: Labels) -> None:
        """Gradients of the mean cross-entropy of the last training pass, without the L2 term.

        They go to grad_weights and grad_vectors; that of the first layer's weights, which is large,
        is made when `first` is asked for it.
        """
        grad = self.output.backward(labels)
        for layer in reversed(range(len(self.relus))):
            grad = self.relus[layer].backward(self.others[layer].backward(grad))
            if self.norms:
                grad = self.norms[layer].backward(grad)
        self.first.backward(grad)

    def gradients(self) -> dict[str, Array]:
        """The gradients of the last backward pass by name: W1 (M, d_in, d_out), b1 (M, d_out), ...

        Views, valid until the next pass.
        """
        p, named = self.parameters, {}
        first = self.first.weight_gradient(np.ones_like(p.scale))
        for layer, (_, d_out) in enumerate(p.architecture.shapes):
            named[f"W{layer + 1}"] = (
                self.others[layer - 1].grad_w if layer else split(first, p.networks)
            )
            for name, vector in p.layer_vectors(layer, self.grad_vectors).items():
                named[f"{name}{layer + 1}"] = vector.reshape(p.networks, d_out)
        return named
