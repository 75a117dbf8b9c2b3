"""The contest: all contestants take turns at each case, so that they share the machine's moods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import joblib

from benchmarks import ours
from benchmarks.case import Case
from benchmarks.spread import Exchange
from benchmarks.team import Contestant, Team, team
from klayer import params
from klayer.data.dataset import PROCESSED, open_dataset
from klayer.errors import KlayerError
from klayer.training.settings import Training

CASES = ("three_layer", "three_layer_bn", "nine_layer", "nine_layer_bn")
ONE, POPULATIONS, PEAK = "klayer, one network", "klayer, populations", "sgemm"
ONE_PROCESS = "klayer, one process"
SPREAD = 4  # processes at most that one network is spread over
POPULATION = 13  # networks in each process: as many as the search has by default
VMAPPED = 8  # networks of JAX's vmap


@dataclass
class Result:
    """Network-steps per second in each round."""

    contestant: str
    rates: list[float]

    @property
    def rate(self) -> float:
        """The median."""
        return median(self.rates)


@dataclass
class CaseResult:
    """What came of a case. The peak is in FLOP per second, over all cores."""

    case: str
    flop: int  # of a network-step's matrix products
    peak: float
    results: list[Result]
    left_out: dict[str, str] = field(default_factory=dict)  # contestant: reason

    def share(self, rate: float) -> float:
        """Share of the peak that a rate, in network-steps per second, amounts to."""
        return rate * self.flop / self.peak

    def rate(self, contestant: str) -> float:
        """Median network-steps per second of a contestant."""
        return next(result.rate for result in self.results if result.contestant == contestant)


def contestants(training: Training) -> list[Contestant]:
    """All contestants for networks that are trained like this."""
    package, cores = "benchmarks", joblib.cpu_count()
    others = [
        Contestant("PyTorch, eager", f"{package}.pytorch", "eager", "torch"),
        Contestant("PyTorch, compiled", f"{package}.pytorch", "compiled", "torch"),
        Contestant("JAX, scan", f"{package}.jax", "scan", "jax"),
        Contestant("JAX, vmap of 8", f"{package}.jax", "vmap", "jax", VMAPPED),
    ]
    if not training.batch_norm:
        others.append(Contestant("scikit-learn", f"{package}.sklearn", "mlp", "sklearn"))
    return [
        Contestant(PEAK, f"{package}.ours", "sgemm", "numpy", 1, cores),
        _one_network(training, min(cores, SPREAD)),
        Contestant(ONE_PROCESS, f"{package}.ours", "one_network", "numpy"),
        Contestant(POPULATIONS, f"{package}.ours", "population", "numpy", POPULATION, cores),
        *others,
    ]


def _one_network(training: Training, processes: int) -> Contestant:
    module = "benchmarks.ours"
    if processes == 1:
        return Contestant(ONE, module, "one_network", "numpy")
    shared = Exchange.size(processes, (training.batch_size, training.hidden[0]))
    return Contestant(ONE, module, "spread", "numpy", processes=processes, shared=shared)


def cases(folder: Path = PROCESSED) -> list[Case]:
    """The cases, with the settings that params.yaml has for them.

    Raises KlayerError when params.yaml is wrong or the images are missing.
    """
    open_dataset(folder)
    sections = params.read()
    return [
        Case(
            name,
            params.section_over(sections, "training", f"experiments.{name}", Training),
            folder.absolute(),
            POPULATION,
        )
        for name in CASES
    ]


def contest(case: Case, entrants: Sequence[Contestant], rounds: int, seconds: float) -> CaseResult:
    """Lets the contestants take turns of about so many seconds, in so many rounds.

    Raises KlayerError when one of klayer's own fails; any other is left out.
    """
    left_out: dict[str, str] = {}
    with ExitStack() as stack:
        teams = list(_ready(stack, case, entrants, seconds, left_out))
        turns = [[each.turn() for each in teams] for _ in range(rounds)]
    rates = zip(*turns, strict=True)
    results = [Result(t.contestant.name, list(r)) for t, r in zip(teams, rates, strict=True)]
    peak = next(result.rate for result in results if result.contestant == PEAK)
    results = [result for result in results if result.contestant != PEAK]
    return CaseResult(case.name, case.flop(), peak * 2 * ours.SIZE**3, results, left_out)


def _ready(
    stack: ExitStack,
    case: Case,
    entrants: Sequence[Contestant],
    seconds: float,
    left_out: dict[str, str],
) -> Iterator[Team]:
    for contestant in entrants:
        if not contestant.installed:
            left_out[contestant.name] = f"{contestant.library} is not installed"
            continue
        try:
            ready = stack.enter_context(team(contestant, case))
            ready.calibrate(seconds)
        except KlayerError as error:
            if contestant.name in (ONE, POPULATIONS, PEAK):
                raise
            left_out[contestant.name] = str(error)
            continue
        yield ready
