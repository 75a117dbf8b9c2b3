"""`klayer verify`, an audit: trains networks from scratch and compares each with its row.

A row of plots/seeds/NAME.csv has the final measures of a network and the SHA-256 of its trained
parameters. So Git records each network without its file.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

from klayer.errors import KlayerError
from klayer.files import table_text
from klayer.parallel.runner import train_jobs
from klayer.settings import Training
from klayer.stages.settings import check
from klayer.stages.train import best_l2
from klayer.training.results import seeds_table
from klayer.training.trainer import Job


def training_of(run: str) -> Training:
    """The settings of a run; best_SCHEDULE gets the best lambda of the search."""
    checked = check()
    training = checked.runs[run]
    if run in checked.experiments:
        return training
    return training.model_copy(update={"l2": best_l2()})


def verify_drawn(count: int) -> None:
    """Audits `count` networks, drawn at random from all runs.

    Raises KlayerError when a network differs from its row, or when there is no row.
    """
    networks = [(run, seed) for run, training in check().runs.items() for seed in training.seeds]
    _audit(random.SystemRandom().sample(networks, min(count, len(networks))))


def verify_one(run: str, seed: int) -> None:
    """Audits the network of a run with this seed. Raises KlayerError as `verify_drawn` does."""
    if run not in (runs := check().runs):
        raise KlayerError(f"params.yaml has no run {run} (known: {', '.join(runs)})")
    if seed not in (seeds := runs[run].seeds):
        raise KlayerError(f"params.yaml: the run {run} has no seed {seed} (known: {list(seeds)})")
    _audit([(run, seed)])


def _audit(drawn: list[tuple[str, int]]) -> None:
    """Audits networks, given by run and seed."""
    committed = [_committed(run, seed) for run, seed in drawn]
    names = ", ".join(f"{run} {seed}" for run, seed in drawn)
    print(f"drawn: {names} (each again: klayer verify RUN SEED)", flush=True)
    outcomes = train_jobs("verify", [Job(training_of(run), seed) for run, seed in drawn])
    for (run, seed), before, outcome in zip(drawn, committed, outcomes, strict=True):
        (now,) = csv.DictReader(table_text(seeds_table([outcome])).splitlines())
        for name in {**before, **now}:
            if before.get(name) != now.get(name):
                raise KlayerError(
                    f"{run} {seed}: not repeated, {name} is {before.get(name)} in "
                    f"plots/seeds/{run}.csv and {now.get(name)} now: were results, code, "
                    "parameters or data changed since `dvc repro`?"
                )
    entries = sum(map(len, committed))
    print(f"repeated exactly: all {entries} entries, the digests of the parameters among them")


def _committed(run: str, seed: int) -> dict[str, str]:
    """The row of a network in plots/seeds, as text."""
    path = Path(f"plots/seeds/{run}.csv")
    if path.is_file():
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            if row.get("seed") == str(seed):
                return row
    raise KlayerError(f"{path} has no row of seed {seed}: run `dvc repro`")
