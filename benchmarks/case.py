"""What all contestants train: the same images, networks, mini-batches, schedule and L2."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

PIXELS, CLASSES = 3072, 10
ORDER = 0  # the seed of the order of the images
SIZE = 1024  # of the square matrices whose product shows the limit
IMAGES = {"train": 45_000, "validation": 5_000, "test": 10_000}  # as many as CIFAR-10 gives


@dataclass(frozen=True)
class Case:
    """Networks and how they are trained."""

    name: str
    settings: dict[str, Any]  # of the experiment in params.yaml, with all defaults
    folder: str  # of the images, as the stage preprocess leaves them

    @property
    def batch_norm(self) -> bool:
        """Whether the hidden layers have it."""
        return "batch_norm" in self.settings["block"]

    @property
    def title(self) -> str:
        """For the table."""
        return f"{len(self.units) - 1} layers" + ", BN" * self.batch_norm

    @property
    def units(self) -> tuple[int, ...]:
        """Of the input and each layer."""
        return PIXELS, *self.settings["hidden"], CLASSES

    @property
    def flop(self) -> int:
        """Of the matrix products of one network's step, a sum and a product counting as two: each
        layer has its scores and the gradients of weights and input, but the first without the last.
        """
        sizes = [a * b for a, b in pairwise(self.units)]
        return 2 * int(self.settings["batch_size"]) * (3 * sum(sizes) - sizes[0])

    def learning_rate(self, step: int) -> float:
        """Of a step, counted from 0: it rises and falls in a straight line, again and again."""
        low, high = self.settings["learning_rate_min"], self.settings["learning_rate_max"]
        cycle = step / self.settings["half_cycle"] % 2
        return float(low + (high - low) * (1 - abs(cycle - 1)))

    def start(self, networks: int) -> dict[str, NDArray[np.float32]]:
        """Initial parameters of M networks, no two the same: affineK.weight (M, units, inputs),
        affineK.bias, and with batch norm batch_normK.gamma and batch_normK.beta (M, units).
        """
        start, random = {}, [np.random.default_rng(network) for network in range(networks)]
        for layer, (inputs, units) in enumerate(pairwise(self.units), start=1):
            bound, vector = inputs**-0.5, np.zeros((networks, units), np.float32)
            weights = [each.uniform(-bound, bound, (units, inputs)) for each in random]
            start[f"affine{layer}.weight"] = np.stack(weights).astype(np.float32)
            start[f"affine{layer}.bias"] = vector
            if self.batch_norm and layer < len(self.units) - 1:
                start[f"batch_norm{layer}.gamma"] = vector + 1
                start[f"batch_norm{layer}.beta"] = vector.copy()
        return start

    def data(self) -> tuple[NDArray[np.uint8], Rows, NDArray[np.float32], NDArray[np.float32]]:
        """Training images (N, 3072), a private map whose memory all processes share; their labels
        (N,), mean (3072,) and 1 / deviation (3072,).
        """
        names = ("train_images", "train_labels", "mean", "deviation")
        images, labels, mean, deviation = (
            np.load(Path(self.folder, f"{name}.npy"), mmap_mode="c") for name in names
        )
        images[:, ::1024].sum()  # touches every page, so that no step waits for one
        inverse = (1 / deviation).astype(np.float32)
        return np.asarray(images), labels.astype(np.int64), mean.astype(np.float32), inverse

    def batches(self) -> Iterator[Rows]:
        """Rows of mini-batches, in a new order every epoch, as klayer takes them."""
        random, size = np.random.default_rng(ORDER), self.settings["batch_size"]
        images = len(np.load(Path(self.folder, "train_labels.npy")))
        while True:
            order = random.permutation(images)
            for start in range(0, images - size + 1, size):
                yield order[start : start + size]


def write_images(folder: Path) -> None:
    """Writes random images in the number and the form of CIFAR-10's: speed asks for no others."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for part, count in IMAGES.items():
        np.save(folder / f"{part}_images.npy", random.integers(0, 256, (count, PIXELS), np.uint8))
        np.save(folder / f"{part}_labels.npy", random.integers(0, CLASSES, count, np.uint8))
    np.save(folder / "mean.npy", np.full(PIXELS, 127.5))
    np.save(folder / "deviation.npy", np.full(PIXELS, 73.9))
    (folder / "classes.json").write_text(json.dumps([f"class {n}" for n in range(CLASSES)]))
