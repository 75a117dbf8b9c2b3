"""Trains the networks of a stage, on all cores or a cluster, and loses none that is finished."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import joblib
from joblib.externals.loky.process_executor import BrokenProcessPool
from tqdm import tqdm

from klayer.data.dataset import PROCESSED, Dataset, open_dataset
from klayer.environment import end_with
from klayer.errors import KlayerError
from klayer.parallel import checkpoints
from klayer.training.trainer import Job, Outcome, train

CLUSTER = "DASK_SCHEDULER_ADDRESS"
GO_ON = "what was finished is kept: run the same command again"

Result = tuple[Job, Outcome]
Train = Callable[[Sequence[Job]], list[Outcome]]


@contextmanager
def checkpointed(name: str) -> Iterator[Train]:
    """Around a stage that trains: gives a function from jobs to their outcomes.

    What an earlier, interrupted run finished is not trained again. When the stage has ended well,
    its checkpoints are removed, and one line says what was trained.
    """
    begun, jobs, outcomes = time.monotonic(), list[Job](), list[Outcome]()

    def train_more(more: Sequence[Job]) -> list[Outcome]:
        trained = train_jobs(name, more, kept=True)
        jobs.extend(more)
        outcomes.extend(trained)
        return trained

    yield train_more
    checkpoints.forget(name)
    print(summary(name, jobs, outcomes, time.monotonic() - begun))


def train_jobs(name: str, jobs: Sequence[Job], kept: bool = False) -> list[Outcome]:
    """The outcome of each job, in order. With `kept` finished ones are checkpoints of stage `name`.

    Raises KlayerError as `open_dataset`, `train` and the workers do.
    """
    dataset = open_dataset()  # a missing file is named once, not by every worker
    outcomes = {job: o for job in jobs if kept and (o := checkpoints.find(name, job))}
    waiting = [job for job in jobs if job not in outcomes]
    bar = tqdm(
        desc=name,
        total=sum(job.training.steps for job in jobs),
        initial=sum(job.training.steps for job in outcomes),
        unit=" steps",
        unit_scale=True,
        smoothing=0,  # of all networks, as those of all processes end at once
        leave=False,
        disable=None,
    )
    with bar:
        for job, outcome in _results(name, waiting, dataset):
            outcomes[job] = outcome
            if kept:
                checkpoints.keep(name, job, outcome)
            so_far = accuracy(jobs, list(outcomes.values()))
            bar.set_postfix_str(f"{len(outcomes)} of {len(jobs)} networks, {so_far}", refresh=False)
            bar.update(job.training.steps)
    return [outcomes[job] for job in jobs]


def _results(name: str, jobs: Sequence[Job], dataset: Dataset) -> Iterator[Result]:
    """On the cluster that the environment names, else on this machine."""
    if not os.environ.get(CLUSTER):
        return map_tasks(partial(_train, PROCESSED.absolute()), jobs)
    try:
        from klayer.parallel import cluster
    except ImportError as error:
        raise KlayerError(
            f"{CLUSTER} is set, but Dask cannot be used ({error}): install it, "
            "`pip install 'klayer[cluster]'`, or unset the variable to train on this machine"
        ) from None
    return cluster.results(name, jobs, dataset)


def _train(images: Path, job: Job) -> Result:
    """In a worker."""
    return job, train(job, open_dataset(images))


def map_tasks(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
    """function(task) of each task, as soon as it is there, on all cores of this machine.

    Where one process is enough it is this one. Raises KlayerError when a worker dies.
    """
    warnings.filterwarnings("ignore", r"\d+ tasks", module="joblib")  # of an error that is raised
    processes = max(1, min(joblib.cpu_count(), len(tasks)))
    try:
        with joblib.parallel_config("loky", initializer=_begin, initargs=(os.getpid(),)):
            parallel = joblib.Parallel(processes, batch_size=1, return_as="generator_unordered")
            yield from parallel(joblib.delayed(function)(task) for task in tasks)
    except BrokenProcessPool as error:
        raise KlayerError(
            f"a worker process was killed, perhaps because memory ran out; {GO_ON}"
        ) from error


def _begin(parent: int) -> None:
    """In a new worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers to Ctrl-C
    end_with(parent)


def summary(name: str, jobs: Sequence[Job], outcomes: Sequence[Outcome], seconds: float) -> str:
    """One line about a stage: how many networks, how many steps, and how accurate they are."""
    count = f"{len(jobs)} network{'s' if len(jobs) > 1 else ''}"
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
    return f"{part} accuracy {mean(percent):.1f} %{spread}"
