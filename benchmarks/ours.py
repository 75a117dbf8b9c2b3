"""klayer itself, and the speed of the matrix product that limits it.

The only module here that knows klayer's trainer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from benchmarks.case import Case
from benchmarks.forms import Forms
from klayer.training.job import Job
from klayer.training.trainer import Trainer

SIZE = 1024  # of the square matrices whose product shows the peak


class Study:
    """Networks as the study trains them: together, with one BLAS thread."""

    def __init__(self, case: Case) -> None:
        l2, seeds = (case.training.l2,) * case.networks, tuple(range(case.networks))
        self.trainer, self.done = Trainer(Job(case.training, l2, seeds), case.dataset()), 0
        named = self.trainer.parameters.named()
        for name, values in case.start().items():
            named[name][:] = values

    def train(self, steps: int) -> None:
        """Trains all networks for so many steps more."""
        with threadpool_limits(1), np.errstate(all="ignore"):
            for step in range(self.done, self.done + steps):
                self.trainer.passes(step)
                self.trainer.update(step)
        self.done += steps

    def parameters(self) -> dict[str, Any]:
        """As `Case.start` has them."""
        return dict(self.trainer.parameters.named())


class Product:
    """A "step" is a product of two large matrices of float32, with one BLAS thread."""

    def __init__(self) -> None:
        self.a, self.b, self.out = (np.ones((SIZE, SIZE), np.float32) for _ in range(3))

    def train(self, steps: int) -> None:
        """Multiplies so many times."""
        with threadpool_limits(1):
            for _ in range(steps):
                np.matmul(self.a, self.b, out=self.out)

    def parameters(self) -> dict[str, Any]:
        """None."""
        return {}


def study(case: Case) -> Forms:
    """The networks of a process."""
    return {_kernels(): lambda: Study(case)}


def sgemm(case: Case) -> Forms:
    """The peak of a core."""
    return {_kernels(): Product}


def _kernels() -> str:
    """Which ones OpenBLAS has chosen."""
    names = {library.get("architecture", "unknown") for library in threadpool_info()}
    return f"{', '.join(sorted(names))} kernels"
