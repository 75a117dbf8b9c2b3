"""A contestant at work: one or more processes that train when told to, and else sleep.

Processes of their own keep the thread pools of the libraries out of each other's way.
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory

from benchmarks.case import Case
from klayer.errors import KlayerError


@dataclass(frozen=True)
class Contestant:
    """A function of a module of this package that makes a `Train` for a case."""

    name: str
    module: str
    factory: str
    library: str  # without which it is left out
    networks: int = 1  # trained together in each process
    processes: int = 1
    shared: int = 0  # bytes of memory that its processes share, to train the same networks

    @property
    def installed(self) -> bool:
        """Whether its library is."""
        return importlib.util.find_spec(self.library) is not None


class Team:
    """The processes of a contestant, ready to train."""

    def __init__(self, contestant: Contestant, connections: list[Connection]) -> None:
        self.contestant, self.connections = contestant, connections
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
        teams = 1 if self.contestant.shared else len(self.connections)
        return self.contestant.networks * teams * self.steps / self._elapsed()

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
    context = multiprocessing.get_context("spawn")
    connections, processes = [], []
    ranks, memory = contestant.processes, SharedMemory(create=True, size=max(1, contestant.shared))
    try:
        for rank in range(ranks):
            ours, theirs = context.Pipe()
            own = replace(case, rank=rank, ranks=ranks, memory=memory.name)
            process = context.Process(target=_serve, args=(theirs, contestant, own), daemon=True)
            process.start()
            theirs.close()
            connections.append(ours)
            processes.append(process)
        for connection in connections:
            _receive(contestant, connection)
        yield Team(contestant, connections)
    finally:
        for connection in connections:
            connection.close()  # which ends the process
        for process in processes:
            process.join()
        memory.close()
        memory.unlink()


def _receive(contestant: Contestant, connection: Connection) -> None:
    try:
        problem = connection.recv()
    except (EOFError, ConnectionError):
        problem = "its process ended"
    if problem:
        raise KlayerError(f"{contestant.name} does not work here: {problem}")


def _serve(connection: Connection, contestant: Contestant, case: Case) -> None:
    """Runs in the process: answers each number of steps when they are done."""
    try:
        train = getattr(importlib.import_module(contestant.module), contestant.factory)(case)
        connection.send(None)
        while True:
            train(connection.recv())
            connection.send(None)
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return  # nobody asks any more
    except Exception as error:  # of any library, told to whoever asks
        connection.send(f"{type(error).__name__}: {str(error).splitlines()[:1]}")
