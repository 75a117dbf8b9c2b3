"""Trains the networks of a stage, on all cores or a cluster, and loses none that is finished."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from klayer.data.dataset import PROCESSED, open_dataset
from klayer.errors import KlayerError
from klayer.parallel import workers
from klayer.parallel.checkpoints import Checkpoints
from klayer.training.job import Job, Outcome

CLUSTER = "DASK_SCHEDULER_ADDRESS"


@dataclass(frozen=True)
class Task:
    """A job on its way to a worker: its number in the stage, and where the images are."""

    name: str
    index: int
    job: Job
    data: Path


def train_jobs(stage: str, jobs: Sequence[Job]) -> list[Outcome]:
    """The outcome of each job. Those that an earlier, interrupted run finished are not trained
    again.

    Raises KlayerError as `open_dataset`, `train` and the workers do.
    """
    open_dataset()  # a missing file is better told once than by every worker
    checkpoints = Checkpoints(stage)
    outcomes = {i: o for i, job in enumerate(jobs) if (o := checkpoints.find(job))}
    tasks = [
        Task(_name(stage, job), index, job, PROCESSED.absolute())
        for index, job in enumerate(jobs)
        if index not in outcomes
    ]
    steps = sum(task.job.training.steps for task in tasks)
    with tqdm(desc=stage, total=steps, unit=" steps", unit_scale=True, disable=None) as bar:
        for index, outcome in _mapped(tasks):
            outcomes[index] = outcome
            checkpoints.keep(jobs[index], outcome)
            bar.update(jobs[index].training.steps)
            bar.set_postfix_str(f"{len(outcomes)} of {len(jobs)} networks")
    in_order = [outcomes[index] for index in range(len(jobs))]
    _tell_diverged(stage, jobs, in_order)
    return in_order


def _tell_diverged(stage: str, jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    for job, outcome in zip(jobs, outcomes, strict=True):
        if (step := outcome.row["diverged_at"]) != -1:
            print(
                f"{stage}: the network of seed {job.seed} and l2 {job.training.l2:g} diverged in "
                f"step {step}; it counts with the chance level",
                file=sys.stderr,
            )


def _name(stage: str, job: Job) -> str:
    """As the dashboard of a cluster shows it."""
    return f"{stage}, seed {job.seed}, l2 {job.training.l2:.3g}"


def _mapped(tasks: Sequence[Task]) -> Iterator[tuple[int, Outcome]]:
    """On the cluster that the environment names, else on this machine."""
    if not os.environ.get(CLUSTER):
        return workers.map_tasks(_train, tasks)
    try:
        from klayer.parallel import cluster
    except ImportError as error:
        raise KlayerError(
            f"{CLUSTER} is set, but Dask cannot be used ({error}): install it, "
            "`pip install 'klayer[cluster]'`, or unset the variable to train on this machine"
        ) from None
    return cluster.map_tasks(_train, tasks)


def _train(task: Task) -> tuple[int, Outcome]:
    """Runs in a worker: what training needs is not loaded where nothing is trained."""
    from klayer.training.loop import train

    return task.index, train(task.job, open_dataset(task.data))
