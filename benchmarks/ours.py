"""klayer itself, and the speed of the matrix product that limits it."""

from __future__ import annotations

from multiprocessing.shared_memory import SharedMemory

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.case import Case, Train
from benchmarks.spread import Exchange, spread_trainer
from benchmarks.threads import with_best_threads
from klayer.training.job import Job
from klayer.training.trainer import Trainer

SIZE = 1024  # of the square matrices whose product shows the peak


def one_network(case: Case) -> Train:
    """One network, with the number of BLAS threads that suits it best."""
    train = _population(case, 1)

    def limited(steps: int, threads: int) -> None:
        with threadpool_limits(threads):
            train(steps)

    return with_best_threads(limited)


def spread(case: Case) -> Train:
    """One network spread over processes, with one BLAS thread in each."""
    dataset, population = case.dataset(), Job(case.training, (case.training.l2,), (0,))
    shape = (case.training.batch_size, case.training.hidden[0])
    exchange = Exchange(SharedMemory(case.memory), case.rank, case.ranks, shape)
    return _limited(_steps(spread_trainer(population, dataset, exchange)))


def population(case: Case) -> Train:
    """A population, with one BLAS thread, as in the study."""
    return _limited(_population(case, case.population))


def _limited(train: Train) -> Train:
    def limited(steps: int) -> None:
        with threadpool_limits(1):
            train(steps)

    return limited


def _population(case: Case, networks: int) -> Train:
    population = Job(case.training, (case.training.l2,) * networks, (0,) * networks)
    return _steps(Trainer(population, case.dataset()))


def _steps(trainer: Trainer) -> Train:
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
