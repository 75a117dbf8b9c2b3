"""Trains the networks of a stage, on all cores or on a cluster. Finished networks are kept."""

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
    """Wraps a stage that trains. Yields a function that trains jobs and returns their outcomes.

    Networks that an interrupted run has finished are not trained again. When the stage has ended
    well, its checkpoints are removed, and one line is printed.
    """
    start, jobs, outcomes = time.monotonic(), list[Job](), list[Outcome]()

    def train_some(some_jobs: Sequence[Job]) -> list[Outcome]:
        trained = train_jobs(name, some_jobs, kept=True)
        jobs.extend(some_jobs)
        outcomes.extend(trained)
        return trained

    yield train_some
    checkpoints.forget(name)
    print(summary(name, jobs, outcomes, time.monotonic() - start))


def train_jobs(name: str, jobs: Sequence[Job], kept: bool = False) -> list[Outcome]:
    """The outcome of each job, in order. With `kept`, finished networks become checkpoints.

    Raises KlayerError as `open_dataset`, `train` and the workers do.
    """
    dataset = open_dataset()  # a missing file is named once, not by every worker
    outcomes = {job: o for job in jobs if kept and (o := checkpoints.find(name, job))}
    waiting = [job for job in jobs if job not in outcomes]
    bar = tqdm(
        desc=name.rpartition("@")[2],
        total=sum(job.training.steps for job in jobs),
        initial=sum(job.training.steps for job in outcomes),
        unit=" steps",
        unit_scale=True,
        bar_format="{desc}: {bar}| {remaining} left, {rate_noinv_fmt}{postfix}",
        smoothing=0,  # the mean speed, as networks of all processes end at once
        leave=False,
        disable=None,
    )
    with bar:
        for job, outcome in _results(name, waiting, dataset):
            outcomes[job] = outcome
            if kept:
                checkpoints.keep(name, job, outcome)
            part, so_far = accuracy(jobs, list(outcomes.values()))
            state = f"{len(outcomes)}/{len(jobs)} networks, {part} {so_far}"  # fits 80 columns
            bar.set_postfix_str(state, refresh=False)
            bar.update(job.training.steps)
    return [outcomes[job] for job in jobs]


def _results(name: str, jobs: Sequence[Job], dataset: Dataset) -> Iterator[Result]:
    """Yields each result as soon as it is finished, from the cluster or from this machine."""
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
    """Trains a network in a worker process."""
    return job, train(job, open_dataset(images))


def map_tasks(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
    """Yields function(task) of each task, in the order in which they finish, on all cores.

    On one core there is no worker process. Raises KlayerError when a worker dies.
    """
    warnings.filterwarnings("ignore", r"\d+ tasks", module="joblib")  # the error is raised anyway
    processes = max(1, min(joblib.cpu_count(), len(tasks)))
    try:
        with joblib.parallel_config("loky", initializer=_prepare, initargs=(os.getpid(),)):
            parallel = joblib.Parallel(processes, batch_size=1, return_as="generator_unordered")
            yield from parallel(joblib.delayed(function)(task) for task in tasks)
    except BrokenProcessPool as error:
        raise KlayerError(
            f"a worker process was killed, perhaps because memory ran out; {GO_ON}"
        ) from error


def _prepare(parent: int) -> None:
    """Prepares a new worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    end_with(parent)


def summary(name: str, jobs: Sequence[Job], outcomes: Sequence[Outcome], seconds: float) -> str:
    """The last line of a stage: the number of networks, their steps, and their accuracy."""
    networks = f"{len(jobs)} network{'s' if len(jobs) > 1 else ''}"
    lengths = [job.training.steps for job in jobs]
    low, high = min(lengths), max(lengths)
    steps = f"{low:,} steps each" if low == high else f"{low:,} to {high:,} steps"
    diverged = sum(outcome.row["diverged_at"] != -1 for outcome in outcomes)
    suffix = f", {diverged} diverged" if diverged else ""
    part, percent = accuracy(jobs, outcomes)
    text = f"{networks}, {steps}, {seconds:,.0f} s: {part} accuracy {percent}{suffix}"
    return f"{name.rpartition('@')[2]}: {text}"


def accuracy(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> tuple[str, str]:
    """The part of the data, and the accuracy there in per cent: mean ± standard deviation when all
    jobs have the same settings, else the range.
    """
    part = "test" if all(job.test for job in jobs) else "validation"
    percent = [100 * float(outcome.row[f"{part}_accuracy"]) for outcome in outcomes]
    if any(job.training != jobs[0].training for job in jobs):
        return part, f"{min(percent):.1f} to {max(percent):.1f} %"
    spread = f" ± {stdev(percent):.1f}" if len(percent) > 1 else ""
    return part, f"{mean(percent):.1f} %{spread}"
