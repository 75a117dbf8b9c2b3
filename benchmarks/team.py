"""A contestant at work: one or more processes that train when told to, and else sleep.

Processes of their own keep the thread pools of the libraries apart.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor

from benchmarks.case import Case

ROOT = Path(__file__).parents[1]
ONE_THREAD = {  # of klayer, NumPy and JAX; PyTorch is told its number
    "NUMBA_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}


@dataclass(frozen=True)
class Contestant:
    """A class of a module, made of the case and the arguments, with a method `train`."""

    name: str
    trainer: str  # module.Class
    arguments: Mapping[str, Any] = field(default_factory=dict)
    processes: int = 1
    network_steps: float = 1  # in a step of a process


class Team:
    """The processes of a contestant."""

    def __init__(self, contestant: Contestant, case: Case) -> None:
        self.contestant, self.case, self.steps = contestant, case, 8  # of a turn
        self.unit = contestant.network_steps * contestant.processes  # steps in each
        environment = ONE_THREAD if contestant.processes > 1 else {}
        self.processes = [
            ProcessPoolExecutor(1, env=environment) for _ in range(contestant.processes)
        ]

    def calibrate(self, seconds: float) -> None:
        """Chooses the steps of a turn so that it takes about so long, and warms up."""
        for _ in range(2):  # the second time there are enough steps for a clock
            self.train()  # what is compiled for a number of steps does not count
            self.steps = max(1, round(self.turn() * seconds / self.unit))
        self.train()

    def turn(self) -> float:
        """Steps of single networks per second of all processes together."""
        start = time.perf_counter()
        self.train()
        return self.unit * self.steps / (time.perf_counter() - start)

    def train(self) -> list[float]:
        """The steps of a turn. Returns each process's loss; raises what is raised there."""
        order = self.contestant, self.case, self.steps
        turns = [process.submit(_train, *order) for process in self.processes]
        return [turn.result() for turn in turns]

    def end(self) -> None:
        """Ends the processes."""
        for process in self.processes:
            process.shutdown()


_trainers: dict[str, Any] = {}  # in a process: its one, by its name


def _train(contestant: Contestant, case: Case, steps: int) -> float:
    module, name = contestant.trainer.split(".")
    if name not in _trainers:
        kind = getattr(import_module(f"benchmarks.{module}"), name)
        _trainers[name] = kind(case, **contestant.arguments)
    return float(_trainers[name].train(steps))
