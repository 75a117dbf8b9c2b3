"""Mini-batch gradient descent on a population, step by step. Knows no files."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import Dataset
from klayer.errors import KlayerError
from klayer.networks.arrays import Labels, split
from klayer.networks.initialisation import draws
from klayer.networks.layer import Mode
from klayer.networks.network import Network
from klayer.networks.optimizers import OPTIMIZERS
from klayer.networks.parameters import Parameters
from klayer.training.augmentation import Augmenter
from klayer.training.job import Job
from klayer.training.normaliser import Normaliser
from klayer.training.settings import Training


class Trainer:
    """One run of a population on the training images of a dataset."""

    def __init__(self, job: Job, dataset: Dataset) -> None:
        training = self.training = job.training
        if training.batch_size > len(dataset.train):
            raise KlayerError(
                f"params.yaml: batch_size is {training.batch_size}, it has to be at most the "
                f"{len(dataset.train)} training images"
            )
        self.dataset, self.l2 = dataset, np.array(job.l2)  # (M,)
        streams = [_streams(seed) for seed in job.seeds]
        starts, (self.shuffling, *_), masks, (moves, *_) = zip(*streams, strict=True)
        initial = draws(training.initialisation, training.sigma, starts)
        self.architecture = training.architecture(len(dataset.mean))
        self.parameters = Parameters(len(self.l2), draws=initial)
        size = training.batch_size
        self.network = Network(self.architecture, self.parameters, size, generators=masks)
        self.batches = len(dataset.train) // size  # of an epoch
        optimizer = OPTIMIZERS[training.optimizer]
        self.optimizer = optimizer(self.parameters, self.l2, training.gradient_momentum)
        self.normaliser = _normaliser(training, dataset, moves)
        self.order: Labels = np.empty(0, np.int64)  # of the images in this epoch
        self.diverged_at = np.full(len(self.l2), -1)

    def passes(self, step: int) -> None:
        """Both passes over the next mini-batch; an epoch goes over the images in a random order."""
        n, train = self.training.batch_size, self.dataset.train
        start = step % self.batches * n
        if start == 0 and (step == 0 or self.training.reshuffle):
            self.order = self.shuffling.permutation(len(train))
        rows = self.order[start : start + n]
        self.network.forward(self.normaliser.gather(train.images, rows), Mode.TRAIN)
        self.network.backward(train.labels[rows])

    def update(self, step: int) -> None:
        """Gradient descent, and a look for networks that have just diverged."""
        self.optimizer.step(self.training.learning_rate(step))
        last_b = self.network.last.b.value
        if not math.isfinite(np.add.reduce(last_b)):  # NaN anywhere reaches it within a step
            of_each = last_b.reshape(len(self.l2), -1)
            self.stop_diverged(np.logical_not(np.isfinite(of_each).all(axis=1)), step)

    def stop_diverged(self, diverged: NDArray[np.bool_], step: int) -> None:
        """Puts networks that are no longer finite to 0 and holds them there."""
        for network in np.flatnonzero(diverged & (self.diverged_at < 0)).tolist():
            self.diverged_at[network] = step
            self.parameters.reset(network)
            self.optimizer.reset(network)
            self.network.output.weight[network] = 0


def _streams(seed: int) -> list[np.random.Generator]:
    """Of initial weights, of the order of the images, of dropout and of the moves of images."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]


def _normaliser(training: Training, dataset: Dataset, moves: np.random.Generator) -> Normaliser:
    if training.flip or training.shift:
        return Augmenter(dataset, training.batch_size, training.flip, training.shift, moves)
    return Normaliser(dataset, training.batch_size)


def layer_statistics(network: Network) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviation of the scores and norm of the weights' gradient, (M, L) each.

    Of the network's last training pass, before its update.
    """
    of_each = [split(columns, network.parameters.networks) for columns in network.scores]
    weights = [view for view in network.parameters.trained.values() if view.decays]
    deviation = [s.std(axis=(1, 2), dtype=np.float64) for s in of_each]  # of (M, n, d)
    norm = [np.sqrt(np.square(w.gradients(), dtype=np.float64).sum(axis=(1, 2))) for w in weights]
    return np.stack(deviation, axis=1), np.stack(norm, axis=1)
