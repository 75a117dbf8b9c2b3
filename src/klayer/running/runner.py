"""Trains jobs for a stage: in parallel, in sight, and so that nothing finished is lost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from klayer.data.dataset import PROCESSED, open_dataset
from klayer.running import arithmetic, checkpoints, snapshots
from klayer.running.progress import Progress
from klayer.running.workers import map_tasks
from klayer.training.job import Arrays, Job, Outcome


@dataclass(frozen=True)
class _Task:
    job: Job
    index: int
    test: bool
    folder: Path  # where progress is shown
    data: Path


@dataclass(frozen=True)
class _Trained:
    index: int
    outcome: Outcome
    kernels: str | None  # see arithmetic.in_use


def train_jobs(stage: str, jobs: Sequence[Job], test: bool) -> list[Outcome]:
    """The outcome of each job. What a run before this one finished is not trained again.

    Raises KlayerError as `open_dataset`, `train` and `map_tasks` do.
    """
    open_dataset()  # a missing file is better told once than by every worker
    kept = [checkpoints.path_of(stage, job, test) for job in jobs]
    can_keep, own_kernels = checkpoints.can_keep(stage), arithmetic.in_use()
    outcomes = {i: o for i, path in enumerate(kept) if (o := checkpoints.find(path))}
    with snapshots.shown(stage) as folder, Progress(stage, _steps(jobs), "network-steps") as bar:
        for index, outcome in outcomes.items():
            _show(folder, index, jobs[index], outcome)
        tasks = [
            _Task(job, index, test, folder.absolute(), PROCESSED.absolute())
            for index, job in enumerate(jobs)
            if index not in outcomes
        ]
        others: set[str] = set()
        for trained in map_tasks(_train, tasks, lambda: bar.at(_done(folder))):
            outcomes[trained.index] = trained.outcome
            _show(folder, trained.index, jobs[trained.index], trained.outcome)
            others |= {trained.kernels} if trained.kernels else set()
            if can_keep and trained.kernels == own_kernels:
                checkpoints.keep(kept[trained.index], trained.outcome)
    for text in sorted(others):
        print(f"{stage}: {text}", file=sys.stderr)
    in_order = [outcomes[index] for index in range(len(jobs))]
    _tell_diverged(stage, jobs, in_order)
    return in_order


def _steps(jobs: Sequence[Job]) -> int:
    return sum(job.network_steps for job in jobs)


def _done(folder: Path) -> int:
    return sum(snapshot.done for snapshot in snapshots.read(folder))


def _show(folder: Path, index: int, job: Job, outcome: Outcome) -> None:
    snapshots.show(folder, index, job, job.training.steps, outcome.history)


def _tell_diverged(stage: str, jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    for job, outcome in zip(jobs, outcomes, strict=True):
        networks = zip(job.seeds, job.l2, outcome.final["diverged_at"], strict=True)
        for seed, l2, step in networks:
            if step >= 0:
                print(
                    f"{stage}: the network of seed {seed} and l2 {l2:g} diverged in "
                    f"step {step}; it counts as a guess",
                    file=sys.stderr,
                )


def _train(task: _Task) -> _Trained:
    """Runs in a worker: what training needs is not loaded where nothing is trained."""
    from klayer.training.run import train

    def report(step: int, history: Arrays) -> None:
        snapshots.show(task.folder, task.index, task.job, step, history)

    outcome = train(task.job, open_dataset(task.data), task.test, report)
    return _Trained(task.index, outcome, arithmetic.in_use())
