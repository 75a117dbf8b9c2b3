"""The output of a network: softmax and cross-entropy, over populations as in `arrays`."""

from __future__ import annotations

import numpy as np

from klayer.networks.arrays import Array, Labels
from klayer.networks.compiled import compiled


class SoftmaxCrossEntropy:
    """Mean cross-entropy of softmax(scores) against integer labels."""

    def __init__(self, networks: int, samples: int, classes: int, dtype: np.dtype) -> None:
        self.shifted = np.empty((samples, networks, classes), dtype)  # (n, M, C)
        self.probabilities = np.empty((samples, networks, classes), dtype)  # (n, M, C)
        # A network's weight in the gradient: 1/n, or 0 to hold it still.
        self.weight = np.full(networks, 1 / samples, dtype)  # (M,)

    def forward(self, scores: Array) -> Array:
        """Probabilities (n, M, C); the largest score is subtracted first, so nothing overflows."""
        _shift(scores.reshape(self.shifted.shape), self.shifted)
        np.exp(self.shifted, out=self.probabilities)
        _divide_by_sum(self.probabilities)
        return self.probabilities

    def losses(self, labels: Labels) -> Array:
        """Cross-entropy (n, M) of each sample in each network, -log p[label], without overflow."""
        total = np.add.reduce(np.exp(self.shifted), axis=2)  # (n, M)
        return np.asarray(np.log(total) - self.shifted[np.arange(len(labels)), :, labels])

    def predictions(self) -> Labels:
        """The most probable class (n, M) of each sample in each network."""
        return np.asarray(self.shifted.argmax(axis=2))

    def backward(self, labels: Labels) -> Array:
        """Gradient (n, M*C) of the mean cross-entropy with respect to the scores: (p - y) / n."""
        _subtract_labels(self.probabilities, labels, self.weight)
        return self.probabilities.reshape(len(labels), -1)


@compiled
def _shift(scores: Array, shifted: Array) -> None:
    n, networks, classes = scores.shape
    for i in range(n):
        for m in range(networks):
            largest = scores[i, m, 0]
            for c in range(1, classes):
                largest = max(largest, scores[i, m, c])
            for c in range(classes):
                shifted[i, m, c] = scores[i, m, c] - largest


@compiled
def _divide_by_sum(exponentials: Array) -> None:
    n, networks, classes = exponentials.shape
    for i in range(n):
        for m in range(networks):
            total = exponentials[i, m, 0]
            for c in range(1, classes):
                total += exponentials[i, m, c]
            for c in range(classes):
                exponentials[i, m, c] /= total


@compiled
def _subtract_labels(probabilities: Array, labels: Labels, weight: Array) -> None:
    """weight * (p - y), in place of the probabilities p, where y is 1 for the label, else 0."""
    n, networks, classes = probabilities.shape
    for i in range(n):
        for m in range(networks):
            probabilities[i, m, labels[i]] -= 1
            for c in range(classes):
                probabilities[i, m, c] *= weight[m]
