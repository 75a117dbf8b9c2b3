"""One network spread over processes: each holds some of the features of the first layer.

Nearly all work is in the first layer, whose scores are a sum over features. Each process gathers,
multiplies and updates its own features; the partial scores, small, are summed through shared
memory, once a step. All else is so little that every process does it for itself, with equal
numbers: a row-parallel layer as in Shoeybi et al. (2019), "Megatron-LM", section 3.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from multiprocessing.shared_memory import SharedMemory

import numpy as np

from klayer.data.dataset import Dataset, Split
from klayer.errors import KlayerError
from klayer.networks.layers import Array, InputAffine
from klayer.networks.network import Network
from klayer.networks.optimizer import GradientDescent
from klayer.training.job import Job
from klayer.training.trainer import Trainer

LINE = 64  # bytes: counters in cache lines of their own
PATIENCE = 60.0  # seconds until a process that does not answer is given up
SPINS = 1000  # looks at a counter between two looks at the clock


class Exchange:
    """Sums arrays over processes that share memory, always in the order of their ranks.

    The processes count their calls in the memory. Two sets of slots are used in turn: whoever
    writes into one again knows by the other that everybody has read it.
    """

    def __init__(self, memory: SharedMemory, rank: int, ranks: int, shape: tuple[int, int]) -> None:
        self.memory = memory  # kept alive for the views of it
        self.counters = np.ndarray((ranks, LINE // 8), np.int64, memory.buf)[:, 0]
        offset = ranks * LINE
        self.slots: Array = np.ndarray((2, ranks, *shape), np.float32, memory.buf, offset)
        self.rank, self.ranks, self.calls = rank, ranks, 0

    @staticmethod
    def size(ranks: int, shape: tuple[int, int]) -> int:
        """Bytes of shared memory, zero at the start, that are needed."""
        return ranks * (LINE + 2 * shape[0] * shape[1] * 4)

    def slot(self) -> Array:
        """Where the next summand of this process has to be written."""
        own: Array = self.slots[self.calls % 2, self.rank]
        return own

    def total(self, out: Array) -> None:
        """Writes the sum of all summands. Raises KlayerError when a process does not answer."""
        summands = self.slots[self.calls % 2]
        self.calls += 1
        self.counters[self.rank] = self.calls
        for other in range(self.ranks):
            self._wait_for(other)
        np.add(summands[0], summands[1], out=out)
        for summand in summands[2:]:
            np.add(out, summand, out=out)

    def _wait_for(self, other: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for _ in range(SPINS):
                if self.counters[other] >= self.calls:
                    return
                os.sched_yield()  # costs little, and helps whoever has to share a core
        raise KlayerError(f"process {other} of the network did not answer for {PATIENCE:.0f} s")


class SpreadInputAffine(InputAffine):
    """The first layer on the features of one process."""

    def __init__(self, network: Network, exchange: Exchange) -> None:
        first = network.first
        super().__init__(first.v, first.scale, first.b, first.grad_b, network.samples)
        self.exchange = exchange

    def forward(self, x: Array) -> Array:
        """Scores (n, M*d_out) of all features, from some of them, x (n, d_in / ranks)."""
        self.x = x
        np.matmul(x, self.v, out=self.exchange.slot())
        self.exchange.total(self.scores)
        np.multiply(self.scores, self.scale, out=self.scores)
        return np.add(self.scores, self.b, out=self.scores)


def spread_trainer(population: Job, dataset: Dataset, exchange: Exchange) -> Trainer:
    """What one of the processes has to do. They have to call the trainer's methods alike."""
    features = np.array_split(np.arange(len(dataset.mean)), exchange.ranks)[exchange.rank]
    some = slice(features[0], features[-1] + 1)
    images = np.ascontiguousarray(dataset.train.images[:, some])
    part = replace(
        dataset,
        train=Split(images, dataset.train.labels),
        mean=dataset.mean[some],
        deviation=dataset.deviation[some],
    )
    whole, trainer = Trainer(population, dataset), Trainer(population, part)
    trainer.parameters.first[:] = whole.parameters.first[some]
    trainer.parameters.weights[:] = whole.parameters.weights
    trainer.network.first = SpreadInputAffine(trainer.network, exchange)
    trainer.optimizer = GradientDescent(trainer.network, trainer.l2)
    return trainer
