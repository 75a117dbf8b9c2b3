"""Statistics for inference: the means and variances with which batch norm evaluates.

The running averages of training are what is saved. Beside them an evaluation may use others, made
of images without their labels while the weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from klayer.data.dataset import Dataset, Split
from klayer.networks.architecture import Architecture
from klayer.networks.arrays import Array
from klayer.networks.layer import Mode
from klayer.networks.network import Network
from klayer.networks.parameters import Parameters
from klayer.training.normaliser import Normaliser

PRECISE_IMAGES, PRECISE_BATCH = 10_000, 1_000


class Statistics:
    """Puts other statistics in the place of the running averages, for a while.

    own      of the set that is evaluated, as one batch, as the report's own code has it
    precise  of a pass over the first 10,000 training images in batches of 1,000, each normalised
             by itself: PreciseBN, Wu and Johnson (2021), "Rethinking 'Batch' in BatchNorm"
    """

    def __init__(
        self, architecture: Architecture, parameters: Parameters, dataset: Dataset
    ) -> None:
        self.architecture, self.parameters, self.dataset = architecture, parameters, dataset

    @contextmanager
    def of(self, name: str, evaluated: Split) -> Iterator[None]:
        """Within, networks of the parameters evaluate by these; afterwards all is as before."""
        state = self.parameters.state.value
        kept, network = state.copy(), None
        try:
            for images in self._batches(name, evaluated):
                network = network or Network(
                    self.architecture, self.parameters, len(images), trains=False
                )
                network.forward(images, Mode.COLLECT)
            yield
        finally:
            state[:] = kept

    def _batches(self, name: str, evaluated: Split) -> Iterator[Array]:
        images, size = evaluated, len(evaluated)
        if name == "precise":
            images = self.dataset.train.head(PRECISE_IMAGES)
            size = min(PRECISE_BATCH, len(images))
        for start in range(0, len(images) - size + 1, size):
            yield self._normalised(images.part(start, size), size)

    def _normalised(self, split: Split, size: int) -> Array:
        if split.images.dtype != np.uint8:
            return np.asarray(split.images)
        return Normaliser(self.dataset, size).gather(split.images, np.arange(size))
