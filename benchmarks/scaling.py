"""How the speed of populations grows with each of their sizes, the others being as usual."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

import joblib

from benchmarks.case import Case
from benchmarks.team import Contestant, team

UNITS = 50  # of each hidden layer where the number of layers grows


@dataclass(frozen=True)
class Point:
    """Network-steps per second at one value of what grows."""

    value: int
    rate: float
    flop: int  # of a network-step's matrix products


def settings(case: Case) -> dict[str, list[tuple[int, Case, int]]]:
    """For each thing that grows: its values, each with its case and number of processes."""
    cores = joblib.cpu_count()
    processes = sorted({1, cores, 2 * cores} | {2**power for power in range(cores.bit_length())})
    depth = len(case.training.hidden)
    return {
        "networks in a population": [
            (size, replace(case, population=size), cores) for size in (1, 2, 4, 8, 13, 20, 30, 50)
        ],
        "processes": [(count, case, count) for count in processes],
        "units of a hidden layer": [
            (units, _with_hidden(case, (units,) * depth), cores)
            for units in (50, 100, 200, 400, 800)
        ],
        "layers": [
            (layers, _with_hidden(case, (UNITS,) * (layers - 1)), cores)
            for layers in (2, 3, 5, 7, 9)
        ],
    }


def _with_hidden(case: Case, hidden: tuple[int, ...]) -> Case:
    return replace(case, training=case.training.model_copy(update={"hidden": hidden}))


def measure(value: int, case: Case, processes: int, rounds: int, seconds: float) -> Point:
    """One point, by a contestant of its own."""
    contestant = Contestant(
        "klayer", "benchmarks.ours", "population", "numpy", case.population, processes
    )
    with team(contestant, case) as ready:
        ready.calibrate(seconds)
        rate = median(ready.turn() for _ in range(rounds))
    return Point(value, rate, case.flop())
