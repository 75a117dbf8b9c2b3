"""Trains jobs for a stage: in parallel, in sight, and so that nothing finished is lost."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from klayer.data.dataset import PROCESSED, open_dataset
from klayer.errors import KlayerError
from klayer.running import arithmetic, checkpoints, snapshots, workers
from klayer.running.progress import Progress
from klayer.running.task import Task, Trained
from klayer.training.job import Arrays, Job, Outcome


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
            Task(_name(stage, job), job, index, test, folder.absolute(), PROCESSED.absolute())
            for index, job in enumerate(jobs)
            if index not in outcomes
        ]
        others: set[str] = set()
        for trained in _mapped(tasks, lambda: bar.at(_done(folder))):
            outcomes[trained.index] = trained.outcome
            _show(folder, trained.index, jobs[trained.index], trained.outcome)
            if trained.kernels:
                others.add(f"{trained.worker} {trained.kernels}".lstrip())
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


def _name(stage: str, job: Job) -> str:
    """As the dashboard of a cluster shows it."""
    networks = f"{len(job.l2)} networks, " if len(job.l2) > 1 else ""
    return f"{stage}, {networks}seed {job.seeds[0]}, l2 {job.l2[0]:.3g}"


def _mapped(tasks: Sequence[Task], poll: Callable[[], None]) -> Iterator[Trained]:
    """On the cluster that the environment names, else on this machine."""
    if not os.environ.get("DASK_SCHEDULER_ADDRESS"):
        return workers.map_tasks(_train, tasks, poll)
    try:
        from klayer.running import cluster
    except ImportError as error:
        raise KlayerError(
            f"DASK_SCHEDULER_ADDRESS is set, but Dask cannot be used ({error}): install it, "
            "`pip install 'klayer[cluster]'`, or unset the variable to train on this machine"
        ) from None
    return cluster.map_tasks(_train, tasks, poll)


def _train(task: Task) -> Trained:
    """Runs in a worker: what training needs is not loaded where nothing is trained."""
    from klayer.training.run import train

    def report(step: int, history: Arrays) -> None:
        snapshots.show(task.folder, task.index, task.job, step, history)

    outcome = train(task.job, open_dataset(task.data), task.test, report)
    return Trained(task.index, outcome, arithmetic.in_use())
