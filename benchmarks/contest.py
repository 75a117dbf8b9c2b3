"""The contest: all contestants take turns at a case, so that they share the machine's moods."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import joblib

from benchmarks.case import SIZE, Case
from benchmarks.team import Contestant, Team

ONE, MANY = "one network soonest", "most networks per hour"
ALONE, BEFORE = "a network a process", "klayer before"
KLAYER = {ONE: "klayer, one process", MANY: f"klayer, {ALONE}"}
LIMIT, EVALUATION = "limit: the matrix products at the speed of sgemm", "evaluation"
ENSEMBLE, POPULATION = 8, 13  # networks in a process of PyTorch and JAX, and of klayer before

Rates = dict[str, list[float]]  # network-steps per second in each round, by contestant


def contestants(question: str, case: Case, before: Path | None) -> list[Contestant]:
    """All that answer a question, klayer first: the forms in which users train such networks.

    Of several with one name, compiled or not, with more or fewer threads, the fastest counts.
    """
    m, cores = ENSEMBLE, joblib.cpu_count()
    eager, compiled = ({"threads": 1, "compiled": c} for c in (False, True))
    if question == ONE:
        found = [
            Contestant(KLAYER[ONE], "ours.Klayer"),
            Contestant("PyTorch, eager", "pytorch.One", eager),
            Contestant("PyTorch, eager", "pytorch.One", eager | {"threads": cores}),
            Contestant("PyTorch, compiled", "pytorch.One", compiled),
            Contestant("PyTorch, compiled", "pytorch.One", compiled | {"threads": cores}),
            Contestant("JAX, scan", "jax.Scan"),
        ]
        forms = [(f"{BEFORE}, one process", 1, 1)]
    else:
        found = [
            Contestant(KLAYER[MANY], "ours.Klayer", {}, cores),
            Contestant(EVALUATION, "ours.Evaluation", {}, cores),
            Contestant(LIMIT, "ours.Product", {}, cores, 2 * SIZE**3 / case.flop),
            Contestant(f"JAX, vmap of {m}", "jax.Scan", {"networks": m}, cores, m),
        ]
        for way in (eager, compiled):
            found.append(Contestant(f"PyTorch, {ALONE}", "pytorch.One", way, cores))
            name, arguments = f"PyTorch, ensembles of {m} by hand", way | {"networks": m}
            found.append(Contestant(name, "pytorch.Ensemble", arguments, cores, m))
        populations = f"{BEFORE}, populations of {POPULATION}"
        forms = [(f"{BEFORE}, {ALONE}", 1, cores), (populations, POPULATION, cores)]
    if before:
        for name, m, processes in forms:
            kind = "ours.Population"
            found.append(Contestant(name, kind, {"networks": m}, processes, m, before))
    return found


def contest(case: Case, entrants: Sequence[Contestant], rounds: int, seconds: float) -> Rates:
    """Lets the contestants take turns of about so many seconds, in so many rounds.

    Raises RuntimeError when klayer does not work; another library is left out.
    """
    teams = []
    with ExitStack() as stack:
        for each in entrants:
            team = Team(each, case)
            stack.callback(team.close)
            try:
                team.calibrate(seconds)
                teams.append(team)
            except RuntimeError as error:
                if each.trainer.startswith("ours."):
                    raise
                print(f"left out: {error}", file=sys.stderr)
        turns = [[team.turn() for team in teams] for _ in range(rounds)]
    rates: Rates = {}
    for team, found in zip(teams, zip(*turns, strict=True), strict=True):
        name = team.contestant.name
        rates[name] = max(rates.get(name, [0.0]), list(found), key=median)
    return rates


@dataclass(frozen=True)
class Result:
    """What came of a case: the rates for each question, and klayer's memory."""

    case: Case
    rates: dict[str, Rates]
    memory: int  # bytes of all processes of a stage at most

    def speed(self, question: str, name: str) -> float:
        """The median, network-steps per second."""
        return median(self.rates[question][name])

    def ratio(self, question: str, name: str) -> float:
        """How many times as fast klayer is: the median of the rounds' ratios."""
        ours, theirs = self.rates[question][KLAYER[question]], self.rates[question][name]
        return median(our / their for our, their in zip(ours, theirs, strict=True))

    @property
    def evaluation_share(self) -> float:
        """Of the time of a whole run, the part that evaluates: each point of the curves, and at
        the end the test images, which are as many as those of a point.
        """
        settings = self.case.settings
        steps = 2 * settings["half_cycle"] * settings["cycles"]
        points = -(-steps // settings["evaluation_interval"]) + 1
        evaluating = points * self.ratio(MANY, EVALUATION)  # in steps that take as long
        return float(evaluating / (evaluating + steps))
