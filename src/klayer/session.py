"""Trains populations for a stage: in parallel, in sight, and so that nothing finished is lost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from klayer import live, parts
from klayer.dataset import PROCESSED, open_dataset
from klayer.parallel import map_tasks
from klayer.population import Arrays, Outcome, Population
from klayer.progress import Progress


@dataclass(frozen=True)
class _Task:
    population: Population
    index: int
    test: bool
    kept: Path  # where the outcome is kept
    live: Path  # where progress is shown
    data: Path


def train_populations(stage: str, populations: Sequence[Population], test: bool) -> list[Outcome]:
    """The outcome of each population. Parts that a run before this one finished are not redone.

    Raises KlayerError as `open_dataset`, `train` and `map_tasks` do.
    """
    open_dataset()  # a missing file is better told once than by every worker
    steps = sum(population.network_steps for population in populations)
    folder = live.start(stage)
    tasks = [
        _Task(
            p,
            i,
            test,
            parts.part_path(stage, p, test).absolute(),
            folder.absolute(),
            PROCESSED.absolute(),
        )
        for i, p in enumerate(populations)
    ]
    with Progress(stage, steps, "network-steps") as progress:
        outcomes = map_tasks(
            _train, tasks, lambda: progress.at(sum(sight.done for sight in live.read(folder)))
        )
    live.end(stage)
    _tell_diverged(stage, populations, outcomes)
    return outcomes


def _tell_diverged(
    stage: str, populations: Sequence[Population], outcomes: Sequence[Outcome]
) -> None:
    for population, outcome in zip(populations, outcomes, strict=True):
        networks = zip(population.seeds, population.l2, outcome.final["diverged_at"], strict=True)
        for seed, l2, step in networks:
            if step >= population.done:
                print(
                    f"{stage}: the network of seed {seed} and l2 {l2:g} diverged in "
                    f"step {step}; it counts as a guess",
                    file=sys.stderr,
                )


def _train(task: _Task) -> Outcome:
    """Runs in a worker: what training needs is not loaded where nothing is trained."""
    outcome = parts.find(task.kept)
    if outcome is None:
        from klayer.run import train

        def report(step: int, history: Arrays) -> None:
            live.show(task.live, task.index, task.population, step, history)

        outcome = train(task.population, open_dataset(task.data), task.test, report)
        parts.keep(task.kept, outcome)
    live.show(
        task.live, task.index, task.population, task.population.training.steps, outcome.history
    )
    return outcome
