"""Maps tasks over processes, one for each core, or over the workers of a Dask cluster."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import joblib
from filelock import BaseFileLock, FileLock, Timeout
from joblib.externals.loky.process_executor import BrokenProcessPool

from klayer.errors import KlayerError

T = TypeVar("T")
R = TypeVar("R")

CLUSTER = "KLAYER_CLUSTER"  # environment variable: address of a Dask scheduler
POLL = 0.2  # seconds


def map_tasks(
    function: Callable[[T], R], tasks: Sequence[T], poll: Callable[[], None] = lambda: None
) -> list[R]:
    """[function(task) for task in tasks], in parallel; `poll` is called a few times a second.

    Each task has a core of its own: it waits while other runs on this machine hold them all.
    Raises KlayerError when a worker dies.
    """
    jobs = min(joblib.cpu_count(), len(tasks))
    stop = threading.Event()
    poller = threading.Thread(target=_poll_until, args=(stop, poll), daemon=True)
    poller.start()
    try:
        with _backend():
            parallel = joblib.Parallel(n_jobs=jobs, batch_size=1, pre_dispatch="all")
            return list(parallel(joblib.delayed(_work)(function, task) for task in tasks))
    except BrokenProcessPool as error:
        raise KlayerError(
            "a worker process was ended from outside, perhaps for want of memory; what was "
            "finished is kept: run the same command again"
        ) from error
    finally:
        stop.set()
        poller.join()
        poll()


def _poll_until(stop: threading.Event, poll: Callable[[], None]) -> None:
    while not stop.wait(POLL):
        poll()


def _backend() -> Any:
    """The context in which joblib uses processes, or the cluster."""
    address = os.environ.get(CLUSTER)
    if not address:
        return joblib.parallel_config(
            backend="loky",
            inner_max_num_threads=1,
            initializer=_begin_worker,
            initargs=(os.getpid(),),
        )
    try:
        from distributed import Client
    except ImportError:
        raise KlayerError(
            f"{CLUSTER} is set, but Dask is missing: pip install 'klayer[cluster]'"
        ) from None
    try:
        Client(address, timeout=15)
    except (OSError, ValueError) as error:
        raise KlayerError(f"no Dask scheduler at {CLUSTER}={address}: {error}") from error
    return joblib.parallel_config(backend="dask")


def _begin_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers to Ctrl-C
    end_with(parent)


def _work(function: Callable[[T], R], task: T) -> R:
    """Runs in a worker."""
    with _core():
        return function(task)


def end_with(parent: int) -> None:
    """Ends this process within a second of its parent, so that nothing is left running."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


@contextmanager
def _core() -> Iterator[None]:
    """Holds one of this machine's cores, counted over all runs of the same user by lock files."""
    folder = Path(tempfile.gettempdir()) / f"klayer-cores-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    locks = [FileLock(folder / f"{core}.lock") for core in range(joblib.cpu_count())]
    while not (held := next(filter(_acquired, locks), None)):
        time.sleep(POLL)
    try:
        yield
    finally:
        held.release()


def _acquired(lock: BaseFileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True
