"""A contestant at work: one or more processes that train when told to, and else sleep.

Processes of their own keep the thread pools of the libraries out of each other's way.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from benchmarks.case import Case
from benchmarks.contestants import Contestant
from benchmarks.forms import fastest
from klayer.errors import KlayerError

SET_BY_KLAYER = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")  # each process chooses anew


class Team:
    """The processes of a contestant, ready to train."""

    def __init__(self, contestant: Contestant, connections: list[Connection], form: str) -> None:
        self.contestant, self.connections, self.form = contestant, connections, form
        self.steps = 8  # of a turn

    def calibrate(self, seconds: float) -> None:
        """Chooses the steps of a turn so that it takes about so long."""
        self.turn()
        while (elapsed := self._elapsed()) < seconds / 4:
            self.steps *= 4
            self.turn()
        self.steps = max(1, round(self.steps * seconds / elapsed))
        self.turn()

    def turn(self) -> float:
        """Network-steps per second of all processes together."""
        networks = self.contestant.networks * len(self.connections)
        return networks * self.steps / self._elapsed()

    def _elapsed(self) -> float:
        start = time.perf_counter()
        for connection in self.connections:
            connection.send(self.steps)
        for connection in self.connections:
            _receive(self.contestant, connection)
        return time.perf_counter() - start


@contextmanager
def team(contestant: Contestant, case: Case) -> Iterator[Team]:
    """Starts a contestant's processes and ends them. Raises KlayerError where it cannot work."""
    connections: list[Connection] = []
    processes: list[SpawnProcess] = []
    try:
        with _environment(contestant):
            for _ in range(contestant.processes):
                connection, process = _start(contestant, case)
                connections.append(connection)
                processes.append(process)
        forms = {_receive(contestant, connection) for connection in connections}
        yield Team(contestant, connections, " / ".join(sorted(forms)))
    finally:
        for connection in connections:
            connection.close()  # which ends the process
        for process in processes:
            process.join()


def _start(contestant: Contestant, case: Case) -> tuple[Connection, SpawnProcess]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    arguments = (theirs, contestant, replace(case, networks=contestant.networks))
    process = context.Process(target=_serve, args=arguments, daemon=True)
    process.start()
    theirs.close()
    return ours, process


@contextmanager
def _environment(contestant: Contestant) -> Iterator[None]:
    """The variables that the processes start with."""
    before = dict(os.environ)
    for name in SET_BY_KLAYER:
        os.environ.pop(name, None)
    os.environ.update({"KLAYER_KERNELS": contestant.kernels, **contestant.environment})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _receive(contestant: Contestant, connection: Connection) -> str:
    try:
        works, text = connection.recv()
    except (EOFError, ConnectionError):
        works, text = False, "its process ended"
    if not works:
        raise KlayerError(f"{contestant.name} does not work here: {text}")
    return str(text)


def _serve(connection: Connection, contestant: Contestant, case: Case) -> None:
    """Runs in the process: answers with its form, then each number of steps when they are done."""
    try:
        module = importlib.import_module(contestant.module)
        form, trainer = fastest(getattr(module, contestant.function)(case))
        connection.send((True, form))
        while True:
            trainer.train(connection.recv())
            connection.send((True, ""))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return  # nobody asks any more
    except Exception as error:  # of any library, told to whoever asks
        first_line = str(error).split("\n", 1)[0]
        connection.send((False, f"{type(error).__name__}: {first_line}"))
