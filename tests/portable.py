"""Prints a digest of each of a few small computations, by which processors are compared.

`python tests/portable.py [NAME ...]`; tests/test_portable.py runs it in several ways.
"""

from __future__ import annotations

import klayer  # isort: skip  # chooses the kernels, before NumPy is loaded

import hashlib
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from klayer.data.dataset import PIXELS, Dataset, Split
from klayer.training.job import Job
from klayer.training.settings import Training

BN, PLAIN = ("affine", "batch_norm", "relu"), ("affine", "relu")
THREE, NINE = (50, 50), (50, 30, 20, 20, 10, 10, 10, 10)
STEPS = 6


def digest(*arrays: NDArray[np.generic]) -> str:
    """Of the arrays' bytes."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def dataset() -> Dataset:
    """Random images: whole numbers, hence the same everywhere."""
    draw = np.random.default_rng(1)

    def split(count: int) -> Split:
        images = draw.integers(0, 256, (count, PIXELS), np.uint8)
        return Split(images, draw.integers(0, 10, count, np.uint8))

    mean, deviation = np.full(PIXELS, 127.5), np.full(PIXELS, 73.9)
    return Dataset(split(300), split(60), split(60), mean, deviation)


def training(hidden: tuple[int, ...], block: tuple[str, ...]) -> Training:
    """Of a few steps."""
    return Training(
        hidden=hidden,
        block=block,
        epsilon=2.0**-52,
        momentum=0.9,
        initialisation="uniform",
        sigma=0.01,
        batch_size=100,
        learning_rate_min=1e-5,
        learning_rate_max=0.1,
        l2=0.005,
        half_cycle=STEPS // 2,
        cycles=1,
        seeds=(1,),
        evaluation_interval=STEPS,
    )


def trained(settings: Training, l2: tuple[float, ...]) -> str:
    """All that comes of a run."""
    from klayer.training.run import train

    outcome = train(Job(settings, l2, (1,) * len(l2)), dataset())
    groups = (outcome.history, outcome.final, outcome.layers, outcome.parameters)
    return digest(*(group[name] for group in groups for name in sorted(group)))


def gradients() -> str:
    """Of a float64 check."""
    from klayer.networks.architecture import Architecture
    from klayer.networks.gradient_check import check_gradients

    draw = np.random.default_rng(2)
    images, labels = draw.uniform(-1, 1, (8, 6)), draw.integers(0, 10, 8)
    with threadpool_limits(1):
        errors = check_gradients(Architecture(6, (5, 4), 10, BN), images, labels, 0.1, 2, draw)
    return digest(np.array([(error.relative, error.absolute) for error in errors]))


def values() -> str:
    """The 50 values of lambda, and what NumPy makes of float64 elsewhere."""
    from klayer.study.search import coarse_values
    from klayer.study.search_settings import Coarse

    coarse = coarse_values(Coarse(count=50, largest=1e-2, smallest=1e-8, seed=1))
    return digest(coarse, np.exp(coarse * 700), np.log(coarse), coarse**0.3)


def synthetic() -> str:
    """A few synthetic images."""
    from klayer.data import synthetic as made

    made.BATCH = 50  # type: ignore[attr-defined]
    return digest(made.synthetic_images(1)[0].images)


def picture() -> str:
    """A chart of the report."""
    from klayer.report.document import Figure, Panel
    from klayer.report.drawing import pngs

    x = np.linspace(0, 6, 40)
    panel = Panel("A chart", lambda axes: axes.plot(x, x * x, "o-"))  # type: ignore[arg-type]
    return hashlib.sha256(pngs(Figure("a", "", (panel,)))[0]).hexdigest()[:16]


ITEMS: dict[str, Callable[[], str]] = {
    "three layers": lambda: trained(training(THREE, PLAIN), (0.005,)),
    "three layers, BN": lambda: trained(training(THREE, BN), (0.005,)),
    "nine layers": lambda: trained(training(NINE, PLAIN), (0.005,)),
    "nine layers, BN": lambda: trained(training(NINE, BN), (0.005,)),
    "a population": lambda: trained(training(THREE, BN), tuple(0.01 / 2.0**i for i in range(13))),
    "gradients": gradients,
    "values of lambda": values,
    "synthetic images": synthetic,
    "a picture": picture,
}

if __name__ == "__main__":
    assert klayer
    for name in sys.argv[1:] or ITEMS:
        print(f"{name}: {ITEMS[name]()}", flush=True)
