"""The contest: all contestants take turns at a case, so that they share the machine's moods."""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import joblib
import psutil
from ruamel.yaml import YAML

from benchmarks.case import SIZE, Case
from benchmarks.team import ROOT, Contestant, Team

ONE, MANY = "one network soonest", "most networks per hour"
ALONE = "a network a process"
KLAYER = {ONE: "klayer", MANY: f"klayer, {ALONE}"}
LIMIT, EVALUATION = "limit: the matrix products at the speed of sgemm", "evaluation"
ENSEMBLE = 8  # networks in a process of PyTorch and JAX
SHORT = {"half_cycle": 225, "cycles": 1, "seeds": list(range(1, 9))}  # an epoch of 8 networks

Rates = dict[str, list[float]]  # steps per second of all networks in each round, by contestant


def contestants(question: str, case: Case) -> list[Contestant]:
    """All that answer a question, klayer first: the forms in which users train such networks. Of
    several with one name, compiled or not, with more or fewer threads, the fastest counts.
    """
    m, cores, torch = ENSEMBLE, joblib.cpu_count(), "pytorch.Descent"
    eager, compiled = ({"threads": 1, "compiled": way} for way in (False, True))
    if question == ONE:
        return [
            Contestant(KLAYER[ONE], "ours.Klayer"),
            Contestant("PyTorch, eager", torch, eager),
            Contestant("PyTorch, eager", torch, eager | {"threads": cores}),
            Contestant("PyTorch, compiled", torch, compiled),
            Contestant("PyTorch, compiled", torch, compiled | {"threads": cores}),
            Contestant("JAX, scan", "jax.Scan"),
        ]
    entrants = [
        Contestant(KLAYER[MANY], "ours.Klayer", {}, cores),
        Contestant(EVALUATION, "ours.Evaluation", {}, cores),
        Contestant(LIMIT, "ours.Product", {}, cores, 2 * SIZE**3 / case.flop),
        Contestant(f"JAX, vmap of {m}", "jax.Scan", {"networks": m}, cores, m),
    ]
    for way in (eager, compiled):
        name = f"PyTorch, ensembles of {m} by hand"
        entrants.append(Contestant(f"PyTorch, {ALONE}", torch, way, cores))
        entrants.append(Contestant(name, torch, way | {"networks": m}, cores, m))
    return entrants


def contest(case: Case, entrants: Sequence[Contestant], rounds: int, seconds: float) -> Rates:
    """Lets the contestants take turns of about so many seconds, in so many rounds.

    Raises what klayer raises; another library that does not work is left out.
    """
    teams = []
    with ExitStack() as stack:
        for each in entrants:
            team = Team(each, case)
            stack.callback(team.end)
            try:
                team.calibrate(seconds)
                teams.append(team)
            except Exception as error:  # of any library
                if each.trainer.startswith("ours."):
                    raise
                print(f"left out: {each.name} does not work here: {error!r}", file=sys.stderr)
        turns = [[team.turn() for team in teams] for _ in range(rounds)]
    rates: Rates = {}
    for team, found in zip(teams, zip(*turns, strict=True), strict=True):
        name = team.contestant.name
        rates[name] = max(rates.get(name, [0.0]), list(found), key=median)
    return rates


def peak_memory(case: Case) -> int:
    """Bytes at most while `klayer train` trains a few networks of a case; on Linux."""
    klayer, yaml = [sys.executable, "-m", "klayer"], YAML(typ="safe", pure=True)
    params = yaml.load(ROOT / "params.yaml")
    params["experiments"][case.name] |= SHORT
    with TemporaryDirectory(prefix="klayer-benchmark-") as temporary:
        folder, peak = Path(temporary), 0
        (folder / "data").mkdir()
        (folder / "data" / "processed").symlink_to(Path(case.folder).absolute())
        shutil.copy(ROOT / "requirements.lock", folder)
        yaml.dump(params, folder / "params.yaml")
        subprocess.run([*klayer, "settings"], cwd=folder, check=True)
        stage = subprocess.Popen([*klayer, "train", case.name], cwd=folder)
        while stage.poll() is None:
            with suppress(psutil.Error):  # one has just ended
                first = psutil.Process(stage.pid)
                found = [first, *first.children(recursive=True)]
                peak = max(peak, sum(each.memory_full_info().pss for each in found))
            time.sleep(0.05)
        if stage.returncode:
            raise RuntimeError(f"klayer train {case.name} ended with status {stage.returncode}")
    return peak


@dataclass(frozen=True)
class Result:
    """What came of a case: the rates for each question, and klayer's memory."""

    case: Case
    rates: dict[str, Rates]
    memory: int  # bytes of all processes of a stage at most

    def ratio(self, question: str, name: str) -> float:
        """How many times as fast klayer is: the median of the rounds' ratios."""
        ours, theirs = self.rates[question][KLAYER[question]], self.rates[question][name]
        return median(our / their for our, their in zip(ours, theirs, strict=True))

    @property
    def evaluation(self) -> float:
        """Of the time of a whole run, the share of evaluation: each point of the curves, and at
        the end the test images, which are as many as those of a point.
        """
        settings = self.case.settings
        steps = 2 * settings["half_cycle"] * settings["cycles"]
        points = -(-steps // settings["evaluation_interval"]) + 1
        evaluating = points * self.ratio(MANY, EVALUATION)  # in steps that take as long
        return float(evaluating / (evaluating + steps))
