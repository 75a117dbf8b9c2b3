"""scikit-learn's MLPClassifier: one network, without batch norm, which it does not have."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn import set_config
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks.case import Case, Train
from benchmarks.threads import with_best_threads


def mlp(case: Case) -> Train:
    """Plain gradient descent by `partial_fit`, with a constant learning rate, for it has no cycles.

    Its cost has alpha / (2 n) * sum W^2 for a batch of n.
    """
    set_config(assume_finite=True)  # spares a pass over the images
    images, labels = case.normalised()
    training, n = case.training, case.training.batch_size
    network = MLPClassifier(
        training.hidden,
        solver="sgd",
        momentum=0,
        learning_rate_init=(training.learning_rate_min + training.learning_rate_max) / 2,
        alpha=2 * training.l2 * n,
        batch_size=n,
    )
    starts = np.random.default_rng(0)

    def train(steps: int, threads: int) -> None:
        rows = min(steps * n, len(labels))
        with threadpool_limits(threads), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for first in range(0, steps * n, rows):
                count = min(rows, steps * n - first)
                start = starts.integers(len(labels) - count + 1)
                some = slice(start, start + count)
                network.partial_fit(images[some], labels[some], classes=np.arange(10))

    return with_best_threads(train)
