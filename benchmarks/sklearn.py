"""scikit-learn's MLPClassifier: one network, without batch norm, which it does not have."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
from sklearn import set_config
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks.case import Case
from benchmarks.forms import Forms, thread_counts, threads


class Classifier:
    """Plain gradient descent by `partial_fit`, with a constant learning rate, for it has no cycles.

    Its cost has alpha / (2 n) * sum W^2 for a batch of n.
    """

    def __init__(self, case: Case, threads: int) -> None:
        set_config(assume_finite=True)  # spares a pass over the images
        t, self.threads = case.training, threads
        self.images, self.labels = case.images(), case.labels()
        self.network = MLPClassifier(
            t.hidden,
            solver="sgd",
            momentum=0,
            learning_rate_init=(t.learning_rate_min + t.learning_rate_max) / 2,
            alpha=2 * t.l2 * t.batch_size,
            batch_size=t.batch_size,
        )
        self.starts = np.random.default_rng(0)
        self.train(1)  # makes the parameters
        for name, values in self.parameters().items():
            values[0] = case.start()[name][0]

    def train(self, steps: int) -> None:
        """Trains for so many steps more, on consecutive images that are shuffled in each call."""
        n, most = self.network.batch_size, len(self.labels) // self.network.batch_size
        with threadpool_limits(self.threads), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for done in range(0, steps, most):
                count = min(most, steps - done) * n
                start = self.starts.integers(len(self.labels) - count + 1)
                some = slice(start, start + count)
                self.network.partial_fit(
                    self.images[some], self.labels[some], classes=np.arange(10)
                )

    def parameters(self) -> dict[str, Any]:
        """As `Case.start` has them, as views."""
        weights = {f"W{k}": w[None] for k, w in enumerate(self.network.coefs_, start=1)}
        return weights | {f"b{k}": b[None] for k, b in enumerate(self.network.intercepts_, start=1)}


def mlp(case: Case) -> Forms:
    """With the best number of threads."""
    return {threads(count): partial(Classifier, case, count) for count in thread_counts()}


def one_thread(case: Case) -> Forms:
    """With one thread."""
    return {threads(1): partial(Classifier, case, 1)}
