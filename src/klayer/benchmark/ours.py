"""klayer itself, and the speed of the matrix product that limits it."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from klayer.benchmark.case import Case, Train
from klayer.benchmark.threads import with_best_threads
from klayer.population import Population
from klayer.trainer import Trainer

SIZE = 1024  # of the square matrices whose product shows the peak


def one_network(case: Case) -> Train:
    """One network, with the number of BLAS threads that suits it best."""
    train = _population(case, 1)

    def limited(steps: int, threads: int) -> None:
        with threadpool_limits(threads):
            train(steps)

    return with_best_threads(limited)


def population(case: Case) -> Train:
    """A population, with one BLAS thread, as in the study."""
    train = _population(case, case.population)

    def limited(steps: int) -> None:
        with threadpool_limits(1):
            train(steps)

    return limited


def _population(case: Case, networks: int) -> Train:
    dataset = case.dataset()
    trainer = Trainer(Population(case.training, (case.training.l2,) * networks, seed=0), dataset)
    done = 0

    def train(steps: int) -> None:
        nonlocal done
        with np.errstate(all="ignore"):
            for step in range(done, done + steps):
                trainer.passes(step)
                trainer.update(step)
        done += steps

    return train


def sgemm(case: Case) -> Train:
    """A "step" is a product of two large matrices of float32, with one BLAS thread."""
    a, b, out = (np.ones((SIZE, SIZE), np.float32) for _ in range(3))

    def multiply(steps: int) -> None:
        with threadpool_limits(1):
            for _ in range(steps):
                np.matmul(a, b, out=out)

    return multiply
