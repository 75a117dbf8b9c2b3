"""Trains the networks of a stage, on all cores or a cluster, and loses none that is finished."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import stdev

from tqdm import tqdm

from klayer.data.dataset import PROCESSED, open_dataset
from klayer.errors import KlayerError
from klayer.parallel import checkpoints, workers
from klayer.training.trainer import Job, Outcome, train

CLUSTER = "DASK_SCHEDULER_ADDRESS"
BAR = "{desc}: {n_fmt} of {total_fmt} networks |{bar}| {remaining} left{postfix}"

Task = tuple[int, Job]  # with its number in the stage
Result = tuple[int, Outcome]
Train = Callable[[Sequence[Job]], list[Outcome]]


@contextmanager
def checkpointed(name: str) -> Iterator[Train]:
    """Around a stage that trains: gives a function from jobs to their outcomes.

    What an earlier, interrupted run finished is not trained again. When the stage has ended well,
    its checkpoints are removed, and one line says what was trained.
    """
    begun, jobs, outcomes = time.monotonic(), list[Job](), list[Outcome]()

    def train(more: Sequence[Job]) -> list[Outcome]:
        jobs.extend(more)
        outcomes.extend(trained := train_jobs(name, more, kept=True))
        return trained

    yield train
    checkpoints.forget(name)
    print(summary(name, jobs, outcomes, time.monotonic() - begun))


def train_jobs(name: str, jobs: Sequence[Job], kept: bool = False) -> list[Outcome]:
    """The outcome of each job, in order. With `kept` finished ones are checkpoints of stage `name`.

    Raises KlayerError as `open_dataset`, `train` and the workers do.
    """
    open_dataset()  # a missing file is named once, not by every worker
    outcomes = {i: o for i, job in enumerate(jobs) if kept and (o := checkpoints.find(name, job))}
    tasks = [(index, job) for index, job in enumerate(jobs) if index not in outcomes]
    begun, steps = time.monotonic(), 0
    bar = tqdm(
        desc=name,
        total=len(jobs),
        initial=len(outcomes),
        bar_format=BAR,
        smoothing=0,  # of all networks, as those of all processes end at once
        leave=False,
        disable=None,
    )
    with bar:
        for index, outcome in _results(name, tasks):
            outcomes[index] = outcome
            if kept:
                checkpoints.keep(name, jobs[index], outcome)
            steps += jobs[index].training.steps
            rate = steps / (time.monotonic() - begun)
            so_far = accuracy(jobs, list(outcomes.values()))
            bar.set_postfix_str(f"{rate:,.0f} steps/s, {so_far}", refresh=False)
            bar.update()
    return [outcomes[index] for index in range(len(jobs))]


def summary(name: str, jobs: Sequence[Job], outcomes: Sequence[Outcome], seconds: float) -> str:
    """One line about a stage: how many networks, how many steps, and how accurate they are."""
    count = "1 network" if len(jobs) == 1 else f"{len(jobs)} networks"
    steps = sorted({job.training.steps for job in jobs})
    each = f"{steps[0]:,} steps each" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,} steps"
    diverged = sum(outcome.row["diverged_at"] != -1 for outcome in outcomes)
    suffix = f", {diverged} diverged" if diverged else ""
    shown = f"{count}, {each}, {seconds:,.0f} s: {accuracy(jobs, outcomes)}{suffix}"
    return f"{name.rpartition('@')[2]}: {shown}"


def accuracy(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> str:
    """Mean and standard deviation over the seeds of one setting; of several settings the range."""
    part = "test" if all(job.test for job in jobs) else "validation"
    percent = [100 * float(outcome.row[f"{part}_accuracy"]) for outcome in outcomes]
    if any(job.training != jobs[0].training for job in jobs):
        return f"{part} accuracy {min(percent):.1f} to {max(percent):.1f} %"
    spread = f" ± {stdev(percent):.1f}" if len(percent) > 1 else ""
    return f"{part} accuracy {sum(percent) / len(percent):.1f} %{spread}"


def _results(name: str, tasks: Sequence[Task]) -> Iterator[Result]:
    """On the cluster that the environment names, else on this machine."""
    if not os.environ.get(CLUSTER):
        return workers.map_tasks(partial(train_task, PROCESSED.absolute()), tasks)
    try:
        from klayer.parallel import cluster
    except ImportError as error:
        raise KlayerError(
            f"{CLUSTER} is set, but Dask cannot be used ({error}): install it, "
            "`pip install 'klayer[cluster]'`, or unset the variable to train on this machine"
        ) from None
    return cluster.map_tasks(name, tasks, PROCESSED.absolute())


def train_task(data: Path, task: Task) -> Result:
    """Runs in a worker."""
    index, job = task
    return index, train(job, open_dataset(data))
