"""A contestant at work: one or more processes that train when told to, and else sleep.

Processes of their own keep the thread pools of the libraries apart.
`python -m benchmarks.team ORDER` is such a process: it reads a number of steps from each line of
its input, and answers with a line of JSON: whether it works, and the loss or what is wrong.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

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
        self.contestant, self.steps = contestant, 8  # of a turn
        self.unit = contestant.network_steps * contestant.processes  # steps in each
        environment = os.environ | (ONE_THREAD if contestant.processes > 1 else {})
        order = json.dumps([contestant.trainer, dict(contestant.arguments), asdict(case)])
        command = [sys.executable, "-m", "benchmarks.team", order]
        self.processes = [
            Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT, env=environment)
            for _ in range(contestant.processes)
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
        """The steps of a turn. Returns each process's loss; RuntimeError when one does not work."""
        for process in self.processes:
            print(self.steps, file=process.stdin, flush=True)
        return [self._answer(process) for process in self.processes]

    def _answer(self, process: Popen[str]) -> float:
        line = process.stdout.readline() if process.stdout else ""
        works, answer = json.loads(line or '[false, "its process ended"]')
        if not works:
            raise RuntimeError(f"{self.contestant.name} does not work here: {answer}")
        return float(answer)


def _serve(path: str, arguments: Mapping[str, Any], case: Mapping[str, Any]) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries may print
    (module, name), trainer = path.split("."), None
    for line in sys.stdin:
        try:
            kind = getattr(import_module(f"benchmarks.{module}"), name)
            trainer = trainer or kind(Case(**case), **arguments)
            answer = True, trainer.train(int(line))
        except Exception as error:  # of any library, told to who asks
            answer = False, f"{type(error).__name__}: {error}".split("\n")[0]
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _serve(*json.loads(sys.argv[1]))
