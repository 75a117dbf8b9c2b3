"""An audit of the results at hand: trains networks anew and compares each with its row.

Every row of plots/seeds/NAME.csv holds the final measures of one network and the SHA-256 of its
trained parameters, so that Git attests networks that it does not hold.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from klayer import params
from klayer.errors import KlayerError
from klayer.files import table_text
from klayer.parallel.runner import train_jobs
from klayer.settings import Search, Training
from klayer.study.runs import (
    Sections,
    experiment,
    run_names,
    run_training,
    scheduled,
    schedules,
    searching,
)
from klayer.training.job import Job, Outcome
from klayer.training.results import seeds_table


@dataclass(frozen=True)
class Drawn:
    """A network of the study: of which run, its seed, its row as it stands in the file."""

    run: str
    seed: int
    training: Training
    row: dict[str, str]

    def __str__(self) -> str:
        return f"{self.run} {self.seed}"


def verify_some(count: int) -> None:
    """Audits so many networks, drawn at random from all runs.

    Raises KlayerError when one is not repeated, or when there are no results to compare with.
    """
    sections = params.read()
    known = [drawn for run in run_names(sections) for drawn in _rows(sections, run)]
    _audit(sections, random.SystemRandom().sample(known, min(count, len(known))))


def verify_one(run: str, seed: int) -> None:
    """Audits the network of a run with this seed. Raises KlayerError as `verify_some` does."""
    sections = params.read()
    seeds = run_training(sections, run).seeds
    if seed not in seeds:
        raise KlayerError(f"params.yaml: the run {run} has no seed {seed} (known: {list(seeds)})")
    _audit(sections, [drawn for drawn in _rows(sections, run) if drawn.seed == seed])


def _rows(sections: Sections, run: str) -> list[Drawn]:
    training, path = run_training(sections, run), Path(f"plots/seeds/{run}.csv")
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
        seeds = [int(row["seed"]) for row in rows]
    except (OSError, ValueError, KeyError) as error:
        raise KlayerError(f"{path} holds no results ({error}): run `dvc repro`") from None
    if seeds != list(training.seeds):
        raise KlayerError(
            f"{path} holds the seeds {seeds}, params.yaml says {list(training.seeds)}: run "
            "`dvc repro`"
        )
    return [
        Drawn(run, seed, training, {str(name): str(value) for name, value in row.items()})
        for seed, row in zip(seeds, rows, strict=True)
    ]


def _audit(sections: Sections, drawn: list[Drawn]) -> None:
    print(_announcement(sections, drawn), flush=True)
    jobs = [Job(d.training, d.seed) for d in drawn]
    rows = [_row(outcome) for outcome in train_jobs("verify", jobs)]
    for network, row in zip(drawn, rows, strict=True):
        _compare(network, row)
    entries = sum(len(row) for row in rows)
    print(f"repeated exactly: all {entries} entries, the digests of the parameters among them")


def _announcement(sections: Sections, drawn: list[Drawn]) -> str:
    """What was drawn, and what share of the study it is, by networks and by their steps."""
    search = params.section(dict(sections), "search", Search)
    in_search = search.coarse.count + (search.fine.count + 1) * len(search.fine.seeds)
    runs = [experiment(sections, name) for name in params.names(sections, "experiments")]
    runs += [scheduled(sections, name, 0.0) for name in schedules(sections)]
    networks = sum(len(training.seeds) for training in runs) + in_search
    of_runs = sum(training.steps * len(training.seeds) for training in runs)
    steps = of_runs + in_search * searching(sections).steps
    drawn_steps = sum(d.training.steps for d in drawn)
    return (
        f"drawn: {', '.join(map(str, drawn))} (each again: klayer verify RUN SEED)\n"
        f"{len(drawn)} of the study's {networks} networks ({len(drawn) / networks:.1%}), "
        f"{drawn_steps:,} of its {steps:,} steps ({drawn_steps / steps:.1%})"
    )


def _row(outcome: Outcome) -> dict[str, str]:
    """The row as it would be written."""
    names, values = table_text(seeds_table([outcome])).splitlines()
    return dict(zip(names.split(","), values.split(","), strict=True))


def _compare(network: Drawn, row: dict[str, str]) -> None:
    for name in {**network.row, **row}:
        committed, now = network.row.get(name, "missing"), row.get(name, "missing")
        if committed != now:
            raise KlayerError(
                f"{network}: not repeated, {name} is {committed} in plots/seeds/{network.run}.csv "
                f"and {now} now: were results, code, parameters or data changed since `dvc repro`?"
            )
