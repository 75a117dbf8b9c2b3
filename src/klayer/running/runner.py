"""Trains jobs for a stage: in parallel, in sight, and so that nothing finished is lost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from klayer.data.dataset import PROCESSED, open_dataset
from klayer.running import checkpoints, snapshots
from klayer.running.progress import Progress
from klayer.running.workers import map_tasks
from klayer.training.job import Arrays, Job, Outcome


@dataclass(frozen=True)
class _Task:
    population: Job
    index: int
    test: bool
    kept: Path  # where the outcome is kept
    live: Path  # where progress is shown
    data: Path


def train_jobs(stage: str, populations: Sequence[Job], test: bool) -> list[Outcome]:
    """The outcome of each population. Parts that a run before this one finished are not redone.

    Raises KlayerError as `open_dataset`, `train` and `map_tasks` do.
    """
    open_dataset()  # a missing file is better told once than by every worker
    steps = sum(population.network_steps for population in populations)
    folder = snapshots.start(stage)
    tasks = [
        _Task(
            p,
            i,
            test,
            checkpoints.part_path(stage, p, test).absolute(),
            folder.absolute(),
            PROCESSED.absolute(),
        )
        for i, p in enumerate(populations)
    ]
    with Progress(stage, steps, "network-steps") as progress:
        outcomes = map_tasks(
            _train,
            tasks,
            lambda: progress.at(sum(snapshot.done for snapshot in snapshots.read(folder))),
        )
    snapshots.end(stage)
    _tell_diverged(stage, populations, outcomes)
    return outcomes


def _tell_diverged(stage: str, populations: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    for population, outcome in zip(populations, outcomes, strict=True):
        networks = zip(population.seeds, population.l2, outcome.final["diverged_at"], strict=True)
        for seed, l2, step in networks:
            if step >= 0:
                print(
                    f"{stage}: the network of seed {seed} and l2 {l2:g} diverged in "
                    f"step {step}; it counts as a guess",
                    file=sys.stderr,
                )


def _train(task: _Task) -> Outcome:
    """Runs in a worker: what training needs is not loaded where nothing is trained."""
    outcome = checkpoints.find(task.kept)
    if outcome is None:
        from klayer.training.run import train

        def report(step: int, history: Arrays) -> None:
            snapshots.show(task.live, task.index, task.population, step, history)

        outcome = train(task.population, open_dataset(task.data), task.test, report)
        checkpoints.keep(task.kept, outcome)
    snapshots.show(
        task.live, task.index, task.population, task.population.training.steps, outcome.history
    )
    return outcome
