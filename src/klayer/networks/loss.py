"""The output of a network: softmax and cross-entropy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from klayer.kernels.elementary import exp, log
from klayer.kernels.loops import compiled
from klayer.networks.layer import Array, Buffer, Labels


class SoftmaxCrossEntropy:
    """Mean cross-entropy of softmax(scores) against integer labels.

    With label smoothing s the true distribution y is 1 - s for the label, and s / C more for each
    of the C classes: Szegedy et al. (2016), "Rethinking the Inception Architecture", section 7.
    """

    def __init__(self, classes: int, dtype: np.dtype, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing
        self._shifted, self._probabilities = Buffer(classes, dtype), Buffer(classes, dtype)

    def forward(self, scores: Array) -> Array:
        """Probabilities (n, C); the largest score is subtracted first, so nothing overflows."""
        self.shifted = self._shifted(len(scores))
        self.probabilities = self._probabilities(len(scores))
        self.totals = np.empty(len(scores))
        _softmax(scores, self.shifted, self.probabilities, self.totals)
        return self.probabilities

    def losses(self, labels: Labels, smoothing: float = 0.0) -> NDArray[np.float64]:
        """Cross-entropy (n,) of each sample, without overflow: -log p[label], or with label
        smoothing (1 - s) of it and s times the mean of -log p.
        """
        losses = np.empty(len(labels))
        _cross_entropy(self.shifted, self.totals, labels, losses)
        if smoothing:
            of_labels = self.shifted[np.arange(len(labels)), labels]
            losses += smoothing * (of_labels - self.shifted.mean(axis=1))
        return losses

    def predictions(self) -> Labels:
        """The most probable class (n,) of each sample, of equal ones the first."""
        return np.asarray(self.shifted.argmax(axis=1))

    def backward(self, labels: Labels) -> Array:
        """Gradient (n, C) of the mean cross-entropy with respect to the scores: (p - y) / n."""
        _subtract_labels(self.probabilities, labels, self.smoothing)
        return self.probabilities


@compiled
def _softmax(
    scores: Array, shifted: Array, probabilities: Array, totals: NDArray[np.float64]
) -> None:
    n, classes = scores.shape
    for i in range(n):
        largest = scores[i, 0]
        for c in range(1, classes):
            largest = max(largest, scores[i, c])
        for c in range(classes):
            shifted[i, c] = scores[i, c] - largest
            probabilities[i, c] = exp(shifted[i, c])
        totals[i] = 0.0
        for c in range(classes):
            totals[i] += probabilities[i, c]
        for c in range(classes):
            probabilities[i, c] = probabilities[i, c] / totals[i]


@compiled
def _cross_entropy(
    shifted: Array, totals: NDArray[np.float64], labels: Labels, losses: NDArray[np.float64]
) -> None:
    for i in range(labels.size):
        losses[i] = log(totals[i]) - shifted[i, labels[i]]


@compiled
def _subtract_labels(probabilities: Array, labels: Labels, smoothing: float) -> None:
    """(p - y) / n, in place of the probabilities p."""
    n, classes = probabilities.shape
    kind = probabilities.dtype.type
    of_label, of_all, share = kind(1.0 - smoothing), kind(smoothing / classes), kind(1.0 / n)
    for i in range(n):
        probabilities[i, labels[i]] -= of_label
        for c in range(classes):
            probabilities[i, c] = share * (probabilities[i, c] - of_all)
