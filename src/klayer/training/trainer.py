"""Mini-batch training of one network, step by step. Knows no files."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from klayer.data.dataset import Dataset
from klayer.errors import KlayerError
from klayer.networks.layer import Labels, Mode
from klayer.networks.layers import INITIALISATIONS
from klayer.networks.network import Architecture, Network
from klayer.networks.optimizers import OPTIMIZERS
from klayer.networks.schedules import SCHEDULES
from klayer.settings import Training
from klayer.training.images import Augmenter, Normaliser


class Trainer:
    """One network on the training images of a dataset.

    Its seed gives four independent generators: of the initial weights, of the order of the images,
    of dropout and of the moves of images. Raises KlayerError when a batch is larger than the data.
    """

    def __init__(self, training: Training, seed: int, dataset: Dataset) -> None:
        if training.batch_size > len(dataset.train):
            raise KlayerError(
                f"params.yaml: batch_size is {training.batch_size}, it has to be at most the "
                f"{len(dataset.train)} training images"
            )
        self.training, self.dataset = training, dataset
        streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4)]
        weights, self.shuffling, dropout, moves = streams
        draw = partial(INITIALISATIONS[training.initialisation], weights, training.sigma)
        shape = architecture(training, len(dataset.mean), len(dataset.classes))
        self.network = Network(shape, draw, dropout)
        parameters = self.network.parameters.values()
        optimizer = OPTIMIZERS[training.optimizer]
        self.optimizer = optimizer(parameters, training.l2, training.momentum)
        if training.flip or training.augment_shift:
            self.images: Normaliser = Augmenter(
                dataset, training.flip, training.augment_shift, moves
            )
        else:
            self.images = Normaliser(dataset)
        self.batches = len(dataset.train) // training.batch_size  # of an epoch
        self.order: Labels = np.empty(0, np.int64)  # of the images in this epoch
        self.diverged_at = -1  # the step, once the network is no longer finite

    def passes(self, step: int) -> None:
        """Both passes over the next mini-batch; an epoch goes over the images in a random order."""
        n, train = self.training.batch_size, self.dataset.train
        start = step % self.batches * n
        if start == 0 and (step == 0 or self.training.reshuffle):
            self.order = self.shuffling.permutation(len(train))
        rows = self.order[start : start + n]
        self.network.forward(self.images.gather(train.images, rows), Mode.TRAIN)
        self.network.backward(train.labels[rows])

    def update(self, step: int) -> None:
        """A step of the optimiser, and a look whether the network has just diverged."""
        self.optimizer.step(learning_rate(self.training, step))
        last_bias = self.network.affine[-1].bias.value
        if not math.isfinite(np.add.reduce(last_bias)):  # NaN anywhere reaches it within a step
            self.stop(step)

    def stop(self, step: int) -> None:
        """Notes that the network has diverged in this step, and puts all its parameters to 0."""
        self.diverged_at = step
        self.network.reset()

    def layer_statistics(self) -> tuple[list[float], list[float]]:
        """Of each affine layer the standard deviation of its scores and the norm of its weights'
        gradient, in the last training pass before its update. What is not finite is 0.
        """
        layers = self.network.affine
        deviations = [float(layer.scores.std(dtype=np.float64)) for layer in layers]
        squares = [np.square(layer.weight.grad, dtype=np.float64).sum() for layer in layers]
        norms = [math.sqrt(square) for square in squares]
        return _finite(deviations), _finite(norms)


def architecture(training: Training, inputs: int, classes: int) -> Architecture:
    """The architecture of a training's networks, for images of so many features and classes."""
    return Architecture(
        inputs,
        training.hidden,
        classes,
        training.block,
        training.epsilon,
        training.bn_momentum,
        training.skip,
        training.dropout,
        training.label_smoothing,
    )


def learning_rate(training: Training, step: int) -> float:
    """Learning rate of a step, counted from 0."""
    low, high = training.learning_rate_min, training.learning_rate_max
    return SCHEDULES[training.schedule](step, training.steps, training.half_cycle, low, high)


def _finite(values: list[float]) -> list[float]:
    return [value if math.isfinite(value) else 0.0 for value in values]
