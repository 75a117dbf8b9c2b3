"""A search on workers of Dask, beside the same search on this machine's own processes."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil

from klayer import params
from klayer.data.dataset import PROCESSED
from klayer.running import checkpoints, runner
from klayer.running.task import Task, Trained
from klayer.training.job import Job
from klayer.training.settings import Training

ADDRESS = "DASK_SCHEDULER_ADDRESS"
STAGE = "benchmark"
COUNT = 200  # values of lambda
HALF_CYCLE = 50  # steps at most; the study has 900


@dataclass(frozen=True)
class Measured:
    """A search on so many workers, and on as many processes of this machine."""

    workers: int  # 0: this machine's own processes, one for each core
    tasks: int
    network_steps: int
    took: float  # seconds
    own: float  # seconds of as many own processes
    memory: int  # bytes of the largest worker

    @property
    def rate(self) -> float:
        """Network-steps per second."""
        return self.network_steps / self.took

    @property
    def overhead(self) -> float:
        """Seconds of a worker that a task costs more than in an own process; noise may make it
        negative.
        """
        return (self.took - self.own) * self.workers / self.tasks


def measure(workers: int) -> Measured:
    """Trains a search, after a first part that is not counted: processes have to start."""
    jobs = _search()
    steps, most = sum(job.network_steps for job in jobs), 0
    with _folder():
        with _variables(
            **{ADDRESS: ""}, **({"LOKY_MAX_CPU_COUNT": str(workers)} if workers else {})
        ):
            own = took = _seconds(jobs, workers)
        if workers:
            with _scheduler() as address, _workers(address, workers) as group:
                with _variables(**{ADDRESS: address}):
                    took = _seconds(jobs, workers)
                most = max(p.memory_info().rss for p in psutil.Process(group).children(True))
    return Measured(workers, len(jobs), steps, took, own, most)


def _search() -> list[Job]:
    """That of params.yaml, of more values of lambda and fewer steps."""
    settings = params.read()
    training = settings["training"] | settings["search"]["training"]
    half_cycle = min(HALF_CYCLE, training["half_cycle"])
    few = {"half_cycle": half_cycle, "evaluation_interval": 2 * half_cycle, "seeds": [1]}
    size, l2 = int(settings["search"]["population_size"]), np.geomspace(1e-8, 1e-2, COUNT).tolist()
    parts = [tuple(l2[start : start + size]) for start in range(0, COUNT, size)]
    return [Job(Training(**training | few), part, (1,) * len(part)) for part in parts]


def _seconds(jobs: Sequence[Job], warm: int) -> float:
    for part in (jobs[: 2 * max(1, warm)], jobs):
        began = time.perf_counter()
        runner.train_jobs(STAGE, part, test=False)
        took = time.perf_counter() - began
        checkpoints.forget(STAGE)
    return took


def bytes_of_a_task() -> tuple[int, int]:
    """On its way there, and of what comes back."""
    job = _search()[0]
    task = Task(STAGE, job, 0, False, Path.cwd(), PROCESSED.absolute())
    with _folder(), _variables(**{ADDRESS: ""}):
        (outcome,) = runner.train_jobs(STAGE, [job], test=False)
        checkpoints.forget(STAGE)
    return len(pickle.dumps(task)), len(pickle.dumps(Trained(0, outcome, None)))


def table(results: Sequence[Measured], there: int, back: int) -> str:
    """As lines of text."""
    lines = [f"{'workers':>9}{'network-steps/s':>17}{'to own':>8}{'ms a task':>11}{'MB each':>9}"]
    for r in results:
        speed = f"{r.workers or 'own':>9}{r.rate:17,.0f}"
        dask = f"{r.own / r.took:8.2f}{r.overhead * 1e3:11,.0f}{r.memory / 1e6:9,.0f}"
        lines.append(speed + (dask if r.workers else ""))
    return "\n".join([*lines, f"{there:,} bytes a task there, {back:,} back"])


@contextlib.contextmanager
def _folder() -> Iterator[None]:
    """Works in a folder of its own, which sees the prepared images."""
    images = PROCESSED.resolve()
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        PROCESSED.parent.mkdir(parents=True)
        PROCESSED.symlink_to(images)
        yield


@contextlib.contextmanager
def _variables(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def _scheduler() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = ["--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    with _process("scheduler", *options):
        yield f"tcp://127.0.0.1:{port}"


@contextlib.contextmanager
def _workers(address: str, count: int) -> Iterator[int]:
    """The process id of the parent of so many workers."""
    with TemporaryDirectory() as folder:
        options = ["--nworkers", str(count), "--nthreads", "1", "--local-directory", folder]
        with _process("worker", address, "--no-dashboard", *options) as started:
            yield started.pid


@contextlib.contextmanager
def _process(kind: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """It says nothing, and is ended at the end."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            yield process
        finally:
            process.terminate()
