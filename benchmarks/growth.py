"""How the speed grows with each size of the work, the others being as usual, with peers beside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import joblib

from benchmarks.case import Case
from benchmarks.contest import CaseResult, contest
from benchmarks.contestants import MANY, NETWORKS, Contestant, jax, klayer, pytorch

GROWING = "three_layer_bn"  # the case whose sizes grow
UNITS = 50  # of each hidden layer where the number of layers grows


@dataclass(frozen=True)
class Point:
    """One value of what grows, and what is measured there."""

    value: int
    case: Case
    entrants: list[Contestant]

    def measure(self, rounds: int, seconds: float) -> CaseResult:
        """A contest of its own."""
        return contest(self.case, MANY, self.entrants, rounds, seconds)


def points(case: Case, population: int) -> dict[str, list[Point]]:
    """For each thing that grows: its points, with a process for each core where not said."""
    cores, depth = joblib.cpu_count(), len(case.training.hidden)
    usual = _entrants(population, NETWORKS, cores)
    return {
        "networks in a process": [
            Point(m, case, _entrants(m, m, cores)) for m in (1, 2, 4, 8, 13, 25, 50)
        ],
        "processes": [
            Point(n, case, _entrants(population, NETWORKS, n)) for n in _up_to(2 * cores)
        ],
        "units of a hidden layer": [
            Point(units, _with_hidden(case, (units,) * depth), usual)
            for units in (50, 100, 200, 400, 800)
        ],
        "layers": [
            Point(layers, _with_hidden(case, (UNITS,) * (layers - 1)), usual)
            for layers in (2, 3, 5, 9)
        ],
    }


def _entrants(population: int, networks: int, processes: int) -> list[Contestant]:
    """The best form of each for many networks."""
    return [
        klayer("klayer", population, processes),
        pytorch("by hand", "ensemble.one_thread", networks, processes),
        jax("vmap", "vmap", networks, processes),
    ]


def _up_to(count: int) -> Iterator[int]:
    """1, 2, 4, ... and the count."""
    yield from (2**power for power in range(count.bit_length()) if 2**power < count)
    yield count


def _with_hidden(case: Case, hidden: tuple[int, ...]) -> Case:
    return replace(case, training=case.training.model_copy(update={"hidden": hidden}))
