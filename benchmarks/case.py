"""What all contestants have to do: the same data, networks, batches, schedule and L2."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import Dataset, open_dataset
from klayer.networks.schedule import cyclical_learning_rate
from klayer.training.settings import Training

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
CHUNK = 1000  # images that are normalised at a time


class Trainer(Protocol):
    """A contestant at work on M networks."""

    def train(self, steps: int) -> None:
        """Trains all networks for so many steps more."""

    def parameters(self) -> dict[str, Any]:
        """W1 (M, d_in, d_out), b1 (M, d_out), gamma1, beta1, W2, ...: as `Case.start` has them."""


@dataclass(frozen=True)
class Case:
    """Networks and how they are trained."""

    name: str
    training: Training
    folder: Path  # of the 8-bit images
    normalised: Path  # file of the same training images, as `write_normalised` makes it
    networks: int = 1  # M, in each process of a contestant

    @property
    def batch_norm(self) -> bool:
        """Whether the hidden layers have it."""
        return "batch_norm" in self.training.block

    @property
    def units(self) -> tuple[int, ...]:
        """Of the input and each layer."""
        return len(self.dataset().mean), *self.training.hidden, 10

    def dataset(self) -> Dataset:
        """The images as klayer reads them: 8-bit."""
        return open_dataset(self.folder)

    def images(self) -> Floats:
        """(N, d_in) normalised: a private map of the file, whose memory all processes share."""
        images: Floats = np.load(self.normalised, mmap_mode="c")
        images[:, ::1024].sum()  # touches every page, so that no step has to wait for one
        return images

    def labels(self) -> Rows:
        """(N,) of the training images."""
        return self.dataset().train.labels.astype(np.int64)

    def start(self) -> dict[str, Floats]:
        """Initial parameters by name, with a leading axis of M; no two networks have the same."""
        generator, start = np.random.default_rng(0), {}
        for layer, (d_in, d_out) in enumerate(pairwise(self.units), start=1):
            bound, shape = d_in**-0.5, (self.networks, d_in, d_out)
            start[f"W{layer}"] = generator.uniform(-bound, bound, shape).astype(np.float32)
            start[f"b{layer}"] = np.zeros((self.networks, d_out), np.float32)
            if self.batch_norm and layer <= len(self.training.hidden):
                start[f"gamma{layer}"] = np.ones((self.networks, d_out), np.float32)
                start[f"beta{layer}"] = np.zeros((self.networks, d_out), np.float32)
        return start

    def learning_rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        t = self.training
        rate = cyclical_learning_rate(step, t.half_cycle, t.learning_rate_min, t.learning_rate_max)
        return float(rate)

    def flop(self) -> int:
        """Floating point operations in the matrix products of a step of one network.

        A layer has three products, for its scores and the gradients of weights and input; the
        first does not need the last. A sum and a product count as two.
        """
        sizes = [a * b for a, b in pairwise(self.units)]
        return 2 * int(self.training.batch_size) * (3 * sum(sizes) - sizes[0])


def write_normalised(dataset: Dataset, path: Path) -> None:
    """Writes all training images as (N, d_in) float32 of mean 0 and deviation 1."""
    images = dataset.train.images
    out = np.lib.format.open_memmap(path, "w+", np.float32, images.shape)
    for start in range(0, len(images), CHUNK):
        out[start : start + CHUNK] = (
            images[start : start + CHUNK] - dataset.mean
        ) / dataset.deviation


class Batches:
    """Rows of the training images, in a new order every epoch."""

    def __init__(self, images: int, batch_size: int) -> None:
        self.generator = np.random.default_rng(0)
        self.images, self.batch_size = images, batch_size
        self.order, self.at = self.generator.permutation(images), 0

    def take(self, steps: int) -> Rows:
        """(steps, batch_size) rows of the next mini-batches."""
        return np.stack([self._next() for _ in range(steps)])

    def _next(self) -> Rows:
        if self.at + self.batch_size > self.images:
            self.order, self.at = self.generator.permutation(self.images), 0
        self.at += self.batch_size
        return self.order[self.at - self.batch_size : self.at]
