"""The output of a network: softmax and cross-entropy, over populations as in `layers`."""

from __future__ import annotations

import numpy as np

from klayer.layers import Array, Labels


class SoftmaxCrossEntropy:
    """Mean cross-entropy of softmax(scores) against integer labels."""

    def __init__(self, networks: int, samples: int, classes: int, dtype: np.dtype) -> None:
        self.one_hot = np.eye(classes, dtype=dtype)  # (C, C)
        self.shifted = np.empty((samples, networks, classes), dtype)  # (n, M, C)
        self.probabilities = np.empty((samples, networks, classes), dtype)  # (n, M, C)
        # A network's weight in the gradient: 1/n, or 0 to hold it still.
        self.weight = np.full((networks, 1), 1 / samples, dtype)  # (M, 1)

    def forward(self, scores: Array) -> Array:
        """Probabilities (n, M, C); the largest score is subtracted first, so nothing overflows."""
        scores = scores.reshape(self.shifted.shape)
        np.subtract(scores, np.maximum.reduce(scores, axis=2, keepdims=True), out=self.shifted)
        np.exp(self.shifted, out=self.probabilities)
        total = np.add.reduce(self.probabilities, axis=2, keepdims=True)
        return np.divide(self.probabilities, total, out=self.probabilities)

    def losses(self, labels: Labels) -> Array:
        """Cross-entropy (n, M) of each sample in each network, -log p[label], without overflow."""
        total = np.add.reduce(np.exp(self.shifted), axis=2)  # (n, M)
        return np.asarray(np.log(total) - self.shifted[np.arange(len(labels)), :, labels])

    def predictions(self) -> Labels:
        """The most probable class (n, M) of each sample in each network."""
        return np.asarray(self.shifted.argmax(axis=2))

    def backward(self, labels: Labels) -> Array:
        """Gradient (n, M*C) of the mean cross-entropy with respect to the scores: (p - y) / n."""
        grad = self.probabilities
        np.subtract(grad, self.one_hot[labels][:, np.newaxis], out=grad)
        np.multiply(grad, self.weight, out=grad)
        return grad.reshape(len(grad), -1)
