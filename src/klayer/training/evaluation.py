"""Loss, accuracy and cost of a network on parts of the data, with other statistics for inference,
and over several views of each image.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klayer.data.corruptions import CORRUPTIONS, corrupted
from klayer.data.dataset import Dataset, Split
from klayer.kernels.elementary import log
from klayer.networks.layer import Array, Mode
from klayer.networks.network import Network
from klayer.training.images import SIDE, Normaliser

CHUNK = 250  # images at a time: their buffers stay in the second-level cache
PRECISE_IMAGES, PRECISE_BATCH = 10_000, 1_000
FAR = 2  # pixels
SHIFTS = ((0, 0), (FAR, 0), (-FAR, 0), (0, FAR), (0, -FAR))  # down, right
FLIPS_AND_SHIFTS = tuple(product((False, True), SHIFTS))

Measures = dict[str, float]
Parts = list[tuple[str, tuple[str, ...]]]  # of the data, each with ways to evaluate it
MEASURES = ("cost", "loss", "accuracy")  # of each part of the data
VIEWS = "views"  # see `Evaluator.measure`


def chance_level(classes: int, way: str) -> Measures:
    """The measures of equal probabilities: loss and cost ln C, accuracy 1/C."""
    measures = {"loss": log(classes), "accuracy": 1 / classes}
    return measures if way == VIEWS else measures | {"cost": log(classes)}


def probabilities(network: Network, normaliser: Normaliser, images: NDArray[Any]) -> Array:
    """Probabilities (N, C), N > 0, of images (N, d)."""
    return np.concatenate([p.copy() for _, p in _passes(network, normaliser, images)])


def _passes(
    network: Network, normaliser: Normaliser, images: NDArray[Any]
) -> Iterator[tuple[slice, Array]]:
    """Places and probabilities, a chunk of the images at a time."""
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        rows = np.arange(len(images[part]))
        yield part, network.forward(normaliser.gather(images[part], rows), Mode.EVALUATE)


class Evaluator:
    """Evaluates a network, and leaves it as it was."""

    def __init__(self, network: Network, dataset: Dataset) -> None:
        self.network, self.dataset = network, dataset
        self.images = Normaliser(dataset.mean, dataset.deviation)

    def measures(self, parts: Parts, l2: float, has_diverged: bool = False) -> Measures:
        """Of each part and way, as all tables name them: validation_loss, test_accuracy_own, ...

        A network that has diverged counts with the chance level.
        """
        measures, classes = Measures(), len(self.dataset.classes)
        for part, ways in parts:
            split = self.split(part)
            for way in ways:
                level = chance_level(classes, way)
                found = level if has_diverged else self.measure(split, l2, way)
                for name, value in found.items():
                    measures["_".join(filter(None, (part, name, way)))] = value
        return measures

    def split(self, part: str) -> Split:
        """A part is train, always the same images and as many as validation has; validation; test;
        or a name of CORRUPTIONS, of test.
        """
        if part == "train":
            return self.dataset.train.head(len(self.dataset.validation))
        if part in CORRUPTIONS:
            return corrupted(part, self.dataset.test)
        return {"validation": self.dataset.validation, "test": self.dataset.test}[part]

    def measure(self, split: Split, l2: float, way: str = "") -> Measures:
        """loss, mean cross-entropy; accuracy, share of right answers; cost, loss + lambda sum W^2.

        `way` is one of `collect`, after which all is as before, or VIEWS: of the mean over views,
        which has no cost. A value that overflows comes out as infinity or NaN.
        """
        if way == VIEWS:
            return self._over_views(split)
        layers, losses, hits = self.network.batch_norms, 0.0, 0
        before = [(layer.averages.copy(), layer.batches) for layer in layers]
        self.collect(way, split.images)
        for part, _ in _passes(self.network, self.images, split.images):
            labels, output = split.labels[part], self.network.output
            losses += float(output.losses(labels).sum())
            hits += int((output.predictions() == labels).sum())
        for layer, (averages, batches) in zip(layers, before, strict=True):
            layer.averages[:], layer.batches = averages, batches
        loss = losses / len(split)
        cost = loss + l2 * self.network.squared_norm()
        return {"loss": loss, "accuracy": hits / len(split), "cost": cost}

    def collect(self, way: str, evaluated: NDArray[np.uint8]) -> None:
        """Puts other means and variances into batch norm, made of images without their labels.

        ""       none: the running averages stay
        own      of the set that is evaluated, as one batch, as the report's own code has it
        precise  of a pass over the first 10,000 training images in batches of 1,000, each
                 normalised by itself: PreciseBN, Wu and Johnson (2021), "Rethinking 'Batch' in
                 BatchNorm"
        """
        batches = [evaluated] if way == "own" else []
        if way == "precise":
            train = self.dataset.train.images[:PRECISE_IMAGES]
            size = min(PRECISE_BATCH, len(train))
            batches = [train[i : i + size] for i in range(0, len(train) - size + 1, size)]
        for layer in self.network.batch_norms if batches else ():
            layer.restart()
        for batch in batches:
            images = self.images.gather(batch, np.arange(len(batch)))
            self.network.forward(images, Mode.COLLECT)

    def probabilities(self, images: NDArray[np.uint8]) -> Array:
        """Probabilities (N, C) of images (N, 3072)."""
        return probabilities(self.network, self.images, images)

    def _over_views(self, split: Split) -> Measures:
        """Loss and accuracy of the probabilities' mean over the image, shifts of it by 2 pixels to
        each side, and the mirror images of these: test-time augmentation.

        Krizhevsky et al. (2012), "ImageNet Classification with Deep Convolutional Neural Networks",
        section 4.1, average over five patches and their mirror images.
        """
        total = np.zeros((len(split), len(self.dataset.classes)))
        for flip, shift in FLIPS_AND_SHIFTS:
            total += self.probabilities(moved(split.images, flip, *shift, self.dataset.mean))
        mean = total / len(FLIPS_AND_SHIFTS)
        right = mean[np.arange(len(split)), split.labels].clip(np.finfo(np.float32).tiny)
        loss = -sum(log(probability) for probability in right.tolist()) / len(split)
        return {"loss": loss, "accuracy": float((mean.argmax(axis=1) == split.labels).mean())}


def moved(
    images: NDArray[np.uint8], flip: bool, down: int, right: int, mean: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Images (N, 3072), mirrored and then moved; the mean image comes in at the edges."""
    planes = images.reshape(-1, 3, SIDE, SIDE)[..., :: -1 if flip else 1]
    out = np.empty_like(planes)
    out[:] = np.rint(mean).reshape(3, SIDE, SIDE)
    rows, columns = ((slice(max(by, 0), SIDE + min(by, 0))) for by in (down, right))
    of_rows, of_columns = ((slice(max(-by, 0), SIDE + min(-by, 0))) for by in (down, right))
    out[..., rows, columns] = planes[..., of_rows, of_columns]
    return out.reshape(images.shape)
