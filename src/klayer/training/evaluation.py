"""Loss, accuracy and cost of every network of a population on a part of the data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import Dataset, Split
from klayer.networks.architecture import Architecture
from klayer.networks.arrays import Array
from klayer.networks.layer import Mode
from klayer.networks.network import Network
from klayer.networks.parameters import Parameters
from klayer.training.normaliser import Normaliser

CHUNK = 250  # images at a time: their buffers stay near the core

Measures = dict[str, NDArray[np.float64]]  # each (M,)


class Evaluator:
    """Evaluates with the running averages of batch norm, and changes nothing."""

    def __init__(
        self, architecture: Architecture, parameters: Parameters, dataset: Dataset
    ) -> None:
        self.architecture, self.parameters = architecture, parameters
        self.network = Network(architecture, parameters, CHUNK, trains=False)
        self.normaliser = Normaliser(dataset, CHUNK)

    def normalised(self, split: Split) -> Split:
        """The part with its images normalised, 12 kB each: for one that is measured often."""
        starts = range(0, len(split), CHUNK)
        return Split(np.concatenate([self._chunk(split, s).copy() for s in starts]), split.labels)

    def measure(self, split: Split, l2: NDArray[np.float64]) -> Measures:
        """Mean cross-entropy, share of right answers, and loss + lambda sum W^2, of each network.

        A value that overflows comes out as infinity or NaN.
        """
        losses = np.zeros(self.parameters.networks)
        hits = np.zeros(self.parameters.networks)
        for start in range(0, len(split), CHUNK):
            labels = split.labels[start : start + CHUNK]
            network = self._network(len(labels))
            network.forward(self._chunk(split, start), Mode.EVALUATE)
            losses += network.output.losses(labels).sum(axis=0, dtype=np.float64)
            hits += (network.output.predictions() == labels[:, np.newaxis]).sum(axis=0)
        loss, accuracy = losses / len(split), hits / len(split)
        cost = loss + l2 * self.parameters.squared_norm()
        return {"loss": loss, "accuracy": accuracy, "cost": cost}

    def probabilities(self, split: Split) -> NDArray[np.floating]:
        """Probabilities (N, M, C) of a part of the data."""
        parts = []
        for start in range(0, len(split), CHUNK):
            images = self._chunk(split, start)
            parts.append(self._network(len(images)).forward(images, Mode.EVALUATE).copy())
        return np.concatenate(parts)

    def _chunk(self, split: Split, start: int) -> Array:
        if split.images.dtype == np.uint8:
            rows = np.arange(start, min(start + CHUNK, len(split)))
            return self.normaliser.gather(split.images, rows)
        return split.images[start : start + CHUNK]

    def _network(self, samples: int) -> Network:
        if samples == CHUNK:
            return self.network
        return Network(self.architecture, self.parameters, samples, trains=False)


def chance(classes: int) -> dict[str, float]:
    """The measures of a guess, which a diverged network counts as: loss ln C, accuracy 1/C."""
    return {"loss": float(np.log(classes)), "accuracy": 1 / classes, "cost": float(np.log(classes))}
