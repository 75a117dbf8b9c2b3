"""`KLayerClassifier`: the networks of the study on any table of numbers, as scikit-learn has it."""

from __future__ import annotations

import numbers
import warnings
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from tqdm import tqdm

from klayer.data.dataset import Dataset, Split
from klayer.networks.layer import Array
from klayer.networks.network import Network
from klayer.training.evaluation import Evaluator
from klayer.training.settings import Training
from klayer.training.trainer import Trainer

LARGEST_BATCH = 100  # of batch_size "auto", as in the study
CHUNK = 1000  # 8-bit rows whose squares are summed at a time
RATES = {"sgd": 0.1, "momentum": 0.01, "adam": 0.001}  # of learning_rate_init "auto"
# What the settings of a training are called here.
NAMES = {"hidden": "hidden_layer_sizes", "learning_rate_max": "learning_rate_init"}
NAMES |= {"learning_rate_min": "learning_rate_init", "seeds": "random_state"}


class KLayerClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fully connected network with batch normalisation, trained by mini-batches in float32.

    A whole number as `random_state` gives the same bytes always, with any number of jobs.

    hidden_layer_sizes  units of each hidden layer; one number for one layer; () for none
    batch_norm          whether batch norm stands between a hidden layer's affine map and its ReLU
    l2                  the cost is the mean cross-entropy + l2 * sum of squared weights. Not
                        `alpha`: MLPClassifier's is 2 n l2 for batches of n, another number
    dropout             share of the units of each hidden layer that is put to 0 in training
    optimizer           sgd, momentum, or adam (with decoupled decay 2 * learning rate * l2)
    momentum            of `momentum`, and beta_1 of `adam`
    learning_rate_init  the largest learning rate; auto: 0.1 for sgd, 0.01 momentum, 0.001 adam
    schedule            triangular or cosine in each of the `cycles`, constant, step or one_cycle in
                        all; the smallest rate is learning_rate_init / 10,000
    max_iter            epochs; all of them are trained
    batch_size          rows of a mini-batch; auto: min(100, n_samples). Every epoch is shuffled
                        anew, and leaves out the last rows where they make no whole batch
    initialisation      initial weights: xavier, uniform (within 1/sqrt(fan in)) or he
    standardize         whether each feature gets mean 0 and deviation 1 by the training data
    random_state        seed of initial weights, shuffling and dropout; None: one is drawn
    verbose             whether a bar of the epochs is shown

    classes_            the labels (C,), sorted
    n_iter_             epochs trained; besides n_features_in_ and feature_names_in_
    history_            DataFrame of epoch, learning_rate (of its last step), loss (mean
                        cross-entropy in nats) and accuracy of its mini-batches in training
    loss_curve_         the losses of history_, a list
    arrays_             affine1.weight (units, features), affine1.bias, batch_norm1.mean, ...: as
                        in the files of klayer's networks

    >>> from klayer import KLayerClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> network = KLayerClassifier(hidden_layer_sizes=(16,), random_state=1).fit(X, y)
    >>> network.predict(X[:3])
    array([0, 0, 0])
    >>> network.arrays_["affine1.weight"].shape
    (16, 4)
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        batch_norm: bool = True,
        l2: float = 1e-4,
        dropout: float = 0.0,
        optimizer: str = "sgd",
        momentum: float = 0.9,
        learning_rate_init: float | str = "auto",
        schedule: str = "triangular",
        cycles: int = 1,
        max_iter: int = 200,
        batch_size: int | str = "auto",
        initialisation: str = "xavier",
        standardize: bool = True,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.batch_norm = batch_norm
        self.l2 = l2
        self.dropout = dropout
        self.optimizer = optimizer
        self.momentum = momentum
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.cycles = cycles
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.initialisation = initialisation
        self.standardize = standardize
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Trains from the start on X (n, features), dense numbers, and labels y (n,) of any type.

        Raises ValueError, which names it, for a parameter or data that cannot be, and where the
        network overflows; TypeError for sparse matrices.
        """
        X, y = validate_data(self, X, y, order="C")
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self._training = self._settings(len(X))
        self._mean, self._deviation = _measure(X) if self.standardize else (0.0, 1.0)
        trainer = Trainer(self._training, self._training.seeds[0], self._dataset(X, labels))
        with np.errstate(all="ignore"):  # what is not finite is looked for
            rows = [
                self._epoch(trainer, epoch)
                for epoch in tqdm(range(self.max_iter), "epochs", disable=not self.verbose)
            ]
        self.arrays_ = {name: values.copy() for name, values in trainer.network.arrays().items()}
        if trainer.diverged_at >= 0 or not all(np.isfinite(a).all() for a in self.arrays_.values()):
            raise ValueError(
                "the network overflowed: take a smaller learning_rate_init, or standardize=True"
            )
        self.history_ = pd.DataFrame(rows)
        self.loss_curve_: list[float] = self.history_["loss"].tolist()
        self.n_iter_ = len(rows)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable label (n,) of each row of X (n, features), of equal ones the first."""
        labels: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities (n, C) of the labels in the order of `classes_`; a row's do not depend on
        the other rows. Raises NotFittedError before `fit`, ValueError for other features.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, order="C")
        dataset = self._dataset(X, np.zeros(len(X), np.uint8))
        network = Network(self._training.architecture(self.n_features_in_, len(self.classes_)))
        network.load(self.arrays_)
        return Evaluator(network, dataset).probabilities(dataset.test)

    def predict_log_proba(self, X: ArrayLike) -> Array:
        """The logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _settings(self, samples: int) -> Training:
        """The parameters as settings of a training on so many rows, checked."""
        check_scalar(self.max_iter, "max_iter", numbers.Integral, min_val=1)
        check_scalar(self.cycles, "cycles", numbers.Integral, min_val=1)
        batch, rate = self.batch_size, self.learning_rate_init
        if isinstance(batch, str) and batch == "auto":
            batch = min(LARGEST_BATCH, samples)
        check_scalar(batch, "batch_size", numbers.Integral, min_val=1)
        if batch > samples:
            warnings.warn(f"batch_size {batch} is cut to the {samples} samples", stacklevel=3)
            batch = samples
        if isinstance(rate, str) and rate == "auto":
            rate = RATES.get(self.optimizer, 1.0)
        seed = self.random_state
        if not isinstance(seed, numbers.Integral):
            seed = check_random_state(seed).randint(2**31)
        steps = int(self.max_iter * (samples // batch))
        norm, dropout = ["batch_norm"] * bool(self.batch_norm), ["dropout"] * bool(self.dropout)
        settings = {
            "hidden": np.atleast_1d(self.hidden_layer_sizes).tolist(),
            "block": ["affine", *norm, "relu", *dropout],
            "epsilon": 2.0**-52,  # as in the study
            "bn_momentum": 0.9,
            "initialisation": self.initialisation,
            "sigma": 0.01,
            "batch_size": int(batch),
            "learning_rate_min": float(rate) / 1e4,
            "learning_rate_max": float(rate),
            "l2": self.l2,
            "half_cycle": -(-steps // (2 * int(self.cycles))),  # rounded up
            "cycles": int(self.cycles),
            "seeds": [int(seed)],
            "evaluation_interval": steps,
            "dropout": self.dropout,
            "optimizer": self.optimizer,
            "momentum": self.momentum,
            "schedule": self.schedule,
        }
        try:
            return Training(**settings)
        except ValidationError as error:
            first, said = str(error.errors()[0]["loc"][0]), error.errors()[0]["msg"]
            raise ValueError(f"{NAMES.get(first, first)} cannot be that: {said}") from None

    def _epoch(self, trainer: Trainer, epoch: int) -> dict[str, float]:
        """Trains an epoch; its row of `history_`."""
        size, batches, output = self._training.batch_size, trainer.batches, trainer.network.output
        loss, hits = 0.0, 0
        for batch in range(batches):
            step = epoch * batches + batch
            trainer.passes(step)
            labels = trainer.dataset.train.labels[trainer.order[batch * size :][:size]]
            loss += float(output.losses(labels).sum())
            hits += int((output.predictions() == labels).sum())
            trainer.update(step)
        n, rate = batches * size, self._training.learning_rate(step)
        return {"epoch": epoch + 1, "learning_rate": rate, "loss": loss / n, "accuracy": hits / n}

    def _dataset(self, X: NDArray[Any], labels: Any) -> Dataset:
        """X for the trainer, which standardises in float32: so are 8-bit images, as in the study;
        all else is before, in float64.
        """
        mean, deviation = (np.full(X.shape[1], s) for s in (self._mean, self._deviation))
        if X.dtype != np.uint8:
            X = ((X - mean) / deviation).astype(np.float32)
            mean, deviation = np.zeros(X.shape[1]), np.ones(X.shape[1])
        part = Split(X, labels)
        return Dataset(part, part, part, mean, deviation, tuple(map(str, self.classes_)))


def _measure(X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (d,) of each feature, 1 for a constant one. Those of 8-bit
    images come from exact sums, as in klayer.stages.preprocess.
    """
    if X.dtype == np.uint8:
        total, n = X.sum(axis=0, dtype=np.int64), len(X)
        chunks = (X[start : start + CHUNK].astype(np.int64) for start in range(0, n, CHUNK))
        squares = sum((chunk**2).sum(axis=0) for chunk in chunks)
        mean, deviation = total / n, np.sqrt(n * squares - total**2) / n
    else:
        mean, deviation = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    constant = deviation <= 10 * np.finfo(np.float64).eps * np.abs(mean)
    return mean, np.where(constant, 1.0, deviation)
