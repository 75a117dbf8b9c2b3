"""The output of a network: softmax and cross-entropy, over populations as in `arrays`."""

from __future__ import annotations

import numpy as np

from klayer.networks.arrays import Array, Labels
from klayer.networks.compiled import compiled

Number = np.floating


class SoftmaxCrossEntropy:
    """Mean cross-entropy of softmax(scores) against integer labels.

    With label smoothing the true distribution y is 1 - s for the label, and s / C more for each of
    the C classes: Szegedy et al. (2016), "Rethinking the Inception Architecture", section 7.
    """

    def __init__(
        self, networks: int, samples: int, classes: int, dtype: np.dtype, smoothing: float = 0
    ) -> None:
        self.smoothing = smoothing
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
        """Cross-entropy (n, M) of each sample in each network, without overflow: -log p[label], or
        with label smoothing (1 - s) of it and s times the mean of -log p.
        """
        log_total = np.log(np.add.reduce(np.exp(self.shifted), axis=2))  # (n, M)
        of_label = np.asarray(log_total - self.shifted[np.arange(len(labels)), :, labels])
        if not self.smoothing:
            return of_label
        of_all = log_total - self.shifted.mean(axis=2)
        return np.asarray((1 - self.smoothing) * of_label + self.smoothing * of_all)

    def predictions(self) -> Labels:
        """The most probable class (n, M) of each sample in each network."""
        return np.asarray(self.shifted.argmax(axis=2))

    def backward(self, labels: Labels) -> Array:
        """Gradient (n, M*C) of the mean cross-entropy with respect to the scores: (p - y) / n."""
        kind, classes = self.probabilities.dtype.type, self.probabilities.shape[2]
        of_label, of_all = kind(1 - self.smoothing), kind(self.smoothing / classes)
        _subtract_labels(self.probabilities, labels, self.weight, of_label, of_all)
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
def _subtract_labels(
    probabilities: Array, labels: Labels, weight: Array, of_label: Number, of_all: Number
) -> None:
    """weight * (p - y), in place of the probabilities p, where y is `of_all` for every class, and
    `of_label` more for the label.
    """
    n, networks, classes = probabilities.shape
    for i in range(n):
        for m in range(networks):
            probabilities[i, m, labels[i]] -= of_label
            for c in range(classes):
                probabilities[i, m, c] = weight[m] * (probabilities[i, m, c] - of_all)
