"""`KLayerClassifier`: the networks of the study on any table of numbers, as scikit-learn has it."""

from __future__ import annotations

import numbers
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from tqdm import tqdm

from klayer.data.dataset import Dataset, Split, measure
from klayer.networks.network import Network
from klayer.settings import Training
from klayer.training.evaluation import probabilities
from klayer.training.images import Normaliser
from klayer.training.trainer import Trainer, architecture, learning_rate

RATES = {"sgd": 0.1, "momentum": 0.01, "adam": 0.001}  # of learning_rate_init "auto"
AS_IN_STUDY: dict[str, Any] = {"epsilon": 2.0**-52, "bn_momentum": 0.9}
AS_IN_STUDY |= {"sigma": 0.01, "evaluation_interval": 1}  # which nothing here uses
SAME = ("l2", "dropout", "optimizer", "momentum", "schedule", "initialisation")
RENAMED = {"hidden": "hidden_layer_sizes", "seeds": "random_state"}
RENAMED |= {f"learning_rate_{end}": "learning_rate_init" for end in ("min", "max")}


class KLayerClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fully connected network with batch normalisation, trained by mini-batches in float32.

    hidden_layer_sizes  units of each hidden layer; one number for one layer; () for none
    batch_norm          whether batch norm stands between a hidden layer's affine map and its ReLU
    l2                  the cost is the mean cross-entropy + l2 * sum of squared weights. Not
                        `alpha`: MLPClassifier's is 2 n l2 for batches of n, another number
    dropout             share of the units of each hidden layer that is put to 0 in training
    optimizer           sgd, momentum or adam (AdamW); with `momentum`, for adam its beta_1
    learning_rate_init  the largest, 10,000 times the smallest; auto: 0.1, momentum 0.01, adam 0.001
    schedule            triangular or cosine in each of the `cycles`, constant, step or one_cycle
    max_iter            epochs; all of them are trained
    batch_size          rows of a mini-batch, at most n_samples; auto: 100. Every epoch is shuffled,
                        and leaves out the last rows where they make no whole batch
    initialisation      initial weights: xavier, uniform (within 1/sqrt(fan in)) or he
    standardize         whether each feature gets mean 0 and deviation 1 by the training data
    random_state        seed of weights, shuffling, dropout; a whole number: the same bytes always
    verbose             whether a bar of the epochs is shown

    `fit` gives classes_ (C,), n_features_in_, n_iter_ (epochs), loss_curve_, and
    history_            DataFrame of epoch, learning_rate (of its last step), loss (mean
                        cross-entropy in nats) and accuracy of its mini-batches in training
    arrays_             by name: affine1.weight (units, features), batch_norm1.mean (units,), ...

    >>> from klayer import KLayerClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> KLayerClassifier(hidden_layer_sizes=(16,), random_state=1).fit(X, y).predict(X[:3])
    array([0, 0, 0])
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

    def fit(self, X: Any, y: Any) -> Self:
        """Trains from the start on X (n, features), dense numbers, and labels y (n,) of any type.

        Raises ValueError, which names it, for a parameter or data that cannot be, and where the
        network overflows; TypeError for sparse matrices and parameters of a wrong type.
        """
        X, y = validate_data(self, X, y, order="C")
        check_classification_targets(y)
        names_and_labels: Any = np.unique(y, return_inverse=True)
        self.classes_, labels = names_and_labels
        self._training = self._settings(len(X))
        self._scale: Any = _measure(X) if self.standardize else (0.0, 1.0)
        X, mean, deviation = self._standardised(X)
        part = Split(X, labels)
        dataset = Dataset(part, part, part, mean, deviation, tuple(map(str, self.classes_)))
        trainer = Trainer(self._training, self._training.seeds[0], dataset)
        epochs = tqdm(range(self.max_iter), "epochs", disable=not self.verbose)
        with np.errstate(all="ignore"):  # what is not finite is looked for
            self.history_ = pd.DataFrame([self._epoch(trainer, epoch) for epoch in epochs])
        self.arrays_ = {name: values.copy() for name, values in trainer.network.arrays().items()}
        if trainer.diverged_at >= 0 or not all(np.isfinite(a).all() for a in self.arrays_.values()):
            raise ValueError("the network overflowed: take a smaller learning_rate_init")
        self.loss_curve_, self.n_iter_ = self.history_["loss"].tolist(), len(self.history_)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable label of each row of X (n, features), of equal ones the first: (n,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Probabilities (n, C), float32, of `classes_`; those of a row depend on no other row."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, order="C")
        network = Network(architecture(self._training, self.n_features_in_, len(self.classes_)))
        network.load(self.arrays_)
        X, mean, deviation = self._standardised(X)
        found = probabilities(network, Normaliser(mean, deviation), X)
        if np.isnan(found).any():
            raise ValueError("the network overflowed: X has values that are too large")
        return found

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        return np.asarray(np.log(self.predict_proba(X)))

    def _settings(self, samples: int) -> Training:
        size: Any = 100 if self.batch_size == "auto" else self.batch_size
        whole = {"max_iter": self.max_iter, "cycles": self.cycles, "batch_size": size}
        for name, value in whole.items():
            check_scalar(value, name, numbers.Integral, min_val=1)
        size, given, seed = min(int(size), samples), self.learning_rate_init, self.random_state
        rate = float(RATES.get(self.optimizer, 1) if given == "auto" else given)
        if not isinstance(seed, numbers.Integral):
            seed = check_random_state(seed).randint(2**31)
        block: Any = ["affine", *["batch_norm"] * bool(self.batch_norm), "relu"]
        try:
            return Training(
                hidden=np.atleast_1d(self.hidden_layer_sizes).tolist(),
                block=block + ["dropout"] * bool(self.dropout),
                batch_size=size,
                learning_rate_min=rate / 1e4,
                learning_rate_max=rate,
                cycles=int(self.cycles),
                half_cycle=int(-(-self.max_iter * (samples // size) // (2 * self.cycles))),
                seeds=(int(seed),),
                **AS_IN_STUDY | {name: getattr(self, name) for name in SAME},
            )
        except ValidationError as error:
            problem = error.errors()[0]
            keys, message = problem["loc"], problem["msg"].removeprefix("Value error, ")
            name, reason = (str(keys[0]), message) if keys else message.split(" ", 1)
            raise ValueError(f"{RENAMED.get(name, name)} is wrong: {reason}") from None

    def _epoch(self, trainer: Trainer, epoch: int) -> dict[str, float]:
        size, output, loss, hits = self._training.batch_size, trainer.network.output, 0.0, 0
        for batch in range(trainer.batches):
            step = epoch * trainer.batches + batch
            trainer.passes(step)
            labels = trainer.dataset.train.labels[trainer.order[batch * size :][:size]]
            loss += float(output.losses(labels).sum())
            hits += int((output.predictions() == labels).sum())
            trainer.update(step)
        n, rate = trainer.batches * size, learning_rate(self._training, step)
        return {"epoch": epoch + 1, "learning_rate": rate, "loss": loss / n, "accuracy": hits / n}

    def _standardised(self, X: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """X, mean and deviation for a `Normaliser`, which computes in float32: 8-bit images as they
        are; all else is standardised here, in float64.
        """
        mean, deviation = (np.full(X.shape[1], value) for value in self._scale)
        if X.dtype == np.uint8:
            return X, mean, deviation
        X = ((X - mean) / deviation).astype(np.float32)
        return X, np.zeros_like(mean), np.ones_like(deviation)


def _measure(X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation (d,) of each feature of X (n, d); 1 for a constant one."""
    if X.dtype == np.uint8:
        return measure(X)
    mean, deviation = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    return mean, np.where(deviation > 2e-15 * np.abs(mean), deviation, 1.0)  # but for rounding
