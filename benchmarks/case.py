"""What all contestants have to do: the same data, networks, batches, schedule and L2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import Dataset, open_dataset
from klayer.networks.layers import Array
from klayer.networks.schedule import cyclical_learning_rate
from klayer.training.settings import Training

Train = Callable[[int], None]  # trains for so many steps more; a new number may compile anew
Factory = Callable[["Case"], Train]


@dataclass(frozen=True)
class Case:
    """A network and how it is trained, on the images in `folder`."""

    name: str
    training: Training
    folder: Path
    population: int  # networks that one process of ours trains together
    rank: int = 0  # of this process
    ranks: int = 1  # processes of the contestant
    memory: str = ""  # name of memory that they share

    def dataset(self) -> Dataset:
        """The images."""
        return open_dataset(self.folder)

    def normalised(self) -> tuple[Array, NDArray[np.int64]]:
        """All training images (N, d_in) as float32, normalised, and their labels (N,)."""
        data = self.dataset()
        images = data.train.images.astype(np.float32)
        images -= data.mean.astype(np.float32)
        images /= data.deviation.astype(np.float32)
        return images, data.train.labels.astype(np.int64)

    def learning_rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        t = self.training
        return cyclical_learning_rate(step, t.half_cycle, t.learning_rate_min, t.learning_rate_max)

    def learning_rates(self, start: int, steps: int) -> NDArray[np.float32]:
        """Learning rates of so many steps from `start` on."""
        rates = [self.learning_rate(step) for step in range(start, start + steps)]
        return np.array(rates, np.float32)

    def flop(self) -> int:
        """Floating point operations in the matrix products of a step of one network.

        A layer has three products, for its scores and the gradients of weights and input; the
        first does not need the last. A sum and a product count as two.
        """
        inputs = self.dataset().train.images.shape[1]
        units: tuple[int, ...] = (inputs, *self.training.hidden, 10)
        sizes = [a * b for a, b in pairwise(units)]
        return 2 * self.training.batch_size * (3 * sum(sizes) - sizes[0])


class Batches:
    """Rows of the training images, in a new order every epoch, as the study draws them."""

    def __init__(self, images: int, batch_size: int) -> None:
        self.generator = np.random.default_rng(0)
        self.images, self.batch_size = images, batch_size
        self.order, self.at = self.generator.permutation(images), 0

    def take(self, steps: int) -> NDArray[np.int64]:
        """(steps, batch_size) rows of the next mini-batches."""
        return np.stack([self._next() for _ in range(steps)])

    def _next(self) -> NDArray[np.int64]:
        if self.at + self.batch_size > self.images:
            self.order, self.at = self.generator.permutation(self.images), 0
        self.at += self.batch_size
        return self.order[self.at - self.batch_size : self.at]
