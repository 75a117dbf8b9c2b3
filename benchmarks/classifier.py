"""KLayerClassifier beside MLPClassifier: networks of equal size, trained for equally long."""

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from benchmarks.output import markdown
from benchmarks.team import ROOT
from klayer import KLayerClassifier
from klayer.data.dataset import PROCESSED, open_dataset
from klayer.errors import KlayerError
from klayer.report.statistics import estimate

HIDDEN, RATE, L2 = (50, 50), 0.1, 1e-4
MLP, PLAIN, BATCH_NORM = "MLPClassifier", "klayer without BN", "klayer with BN"

Parts = Sequence[Any]  # X to train on, held-out X, y to train on, held-out y


@dataclass(frozen=True)
class Contest:
    """Data and how long networks are trained on them."""

    name: str
    parts: Callable[..., Parts]  # of a random_state
    epochs: int
    batch_size: int  # divides the training rows: klayer leaves out what makes no whole batch
    seeds: int

    @property
    def title(self) -> str:
        return f"{self.name}, {self.epochs} epochs, {self.seeds} seeds"

    def classifiers(self, seed: int, epochs: int) -> dict[str, Any]:
        """Networks with the same settings: SGD with a constant learning rate, no momentum, L2.

        MLPClassifier's data are in float32, which is faster, and standardised as klayer's are. Its
        penalty of a batch is alpha / (2 batch_size) * sum of squared weights.
        """
        same: dict[str, Any] = {"hidden_layer_sizes": HIDDEN, "learning_rate_init": RATE}
        same |= {"max_iter": epochs, "batch_size": self.batch_size, "random_state": seed}
        alone = {"alpha": 2 * self.batch_size * L2, "n_iter_no_change": epochs}
        mlp = MLPClassifier(**same, **alone, solver="sgd", momentum=0.0)
        return {
            MLP: make_pipeline(FunctionTransformer(np.float32), StandardScaler(), mlp),
            PLAIN: KLayerClassifier(**same, schedule="constant", l2=L2, batch_norm=False),
            BATCH_NORM: KLayerClassifier(**same, schedule="constant", l2=L2),
        }


def contests() -> Iterator[Contest]:
    """Three data sets that scikit-learn ships, split anew by each seed, and CIFAR-10's images, if
    they are prepared, with its test images held out.
    """
    tables = (("wine", load_wine, 100), ("breast cancer", load_breast_cancer, 450))
    for name, load, rows in (*tables, ("digits", load_digits, 1400)):
        X, y = load(return_X_y=True)
        split = partial(train_test_split, X, y, train_size=rows, stratify=y)
        yield Contest(name, split, 100, 50, 10)
    try:
        images = open_dataset(ROOT / PROCESSED)
    except KlayerError as error:
        print(f"left out: CIFAR-10, {error}", file=sys.stderr)
    else:
        train, test = images.train, images.test
        parts = train.images, test.images, train.labels, test.labels
        yield Contest("CIFAR-10", lambda random_state: parts, 10, 100, 5)


def run(contest: Contest) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracy on the held-out part and seconds of `fit`: a row a seed, a column a classifier.

    All take turns, seed after seed; before, each trains an epoch, whose time does not count.
    """
    X, _, y, _ = contest.parts(random_state=0)
    for classifier in contest.classifiers(0, 1).values():
        _fit(classifier, X, y)
    accuracy, seconds = [], []
    for seed in range(contest.seeds):
        X, held_out, y, labels = contest.parts(random_state=seed)
        classifiers = contest.classifiers(seed, contest.epochs)
        seconds.append({name: _fit(each, X, y) for name, each in classifiers.items()})
        accuracy.append({name: each.score(held_out, labels) for name, each in classifiers.items()})
    return pd.DataFrame(accuracy), pd.DataFrame(seconds)


def table(results: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> str:
    """Markdown: for each data set, by its title, a row for each classifier."""
    rows = [["data", "", "accuracy", "difference", "seconds", "ratio"]]
    rows.append(["---", "---", *["---:"] * 4])
    for title, (accuracy, seconds) in results.items():
        rows.append([title, MLP, _percent(accuracy[MLP]), "", f"{median(seconds[MLP]):.3g}", ""])
        for name in (PLAIN, BATCH_NORM):
            lead = _percent(accuracy[name] - accuracy[MLP], "+")
            ratio = f"{median(seconds[MLP] / seconds[name]):.1f}"
            row = ["", name, _percent(accuracy[name]), lead, f"{median(seconds[name]):.3g}", ratio]
            rows.append(row)
    return markdown(rows)


def _fit(classifier: Any, X: Any, y: Any) -> float:
    start = time.perf_counter()
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # too few epochs
        classifier.fit(X, y)
    return time.perf_counter() - start


def _percent(values: "pd.Series[float]", sign: str = "") -> str:
    """Their mean with its 95 % interval: 97.10 ± 0.42."""
    found = estimate(values)
    half = found.interval[1] - found.mean if found.interval else 0.0
    return f"{100 * found.mean:{sign}.2f} ± {100 * half:.2f}"
