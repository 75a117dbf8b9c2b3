"""Maps tasks over the workers of a Dask cluster, the one that DASK_SCHEDULER_ADDRESS names.

By Dask's own client, not by joblib's backend for it: that one gives tasks no names of ours, and
waits for ever when the scheduler is gone. The only module that names Dask; it is imported where the
variable is set, and by the workers.
"""

from __future__ import annotations

import logging
import os
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from distributed import Client, Future, KilledWorker, Nanny, NannyPlugin, as_completed, get_worker

import klayer
from klayer.errors import KlayerError
from klayer.running import arithmetic, remote
from klayer.running.task import Task, Trained
from klayer.running.workers import polled

ADDRESS = "DASK_SCHEDULER_ADDRESS"
TIMEOUT = 15  # seconds until a scheduler that does not answer is given up
LOGGERS = ("distributed", "distributed.client", "asyncio")  # each has a level of its own
LOOK_EVERY = 25  # polls between two looks whether there are workers
GO_ON = "what was finished is kept: run the same command again to go on"

Function = Callable[[Task], Trained]


@dataclass(frozen=True)
class _Unfit:
    """Instead of a result: why a worker cannot do the task, or None when it lacks the images."""

    worker: str
    reason: str | None


def map_tasks(
    function: Function, tasks: Sequence[Task], poll: Callable[[], None]
) -> Iterator[Trained]:
    """function(task) of each task, as soon as it is there; `poll` is called a few times a second.

    Raises KlayerError when the scheduler does not answer or is gone, when a worker has other
    versions than this process, and when workers die of a task.
    """
    if not tasks:
        return
    with _connected() as client, polled(_Watch(client, poll)):
        try:
            if arithmetic.in_use() is None:
                with suppress(OSError):  # a nanny that dies just now
                    client.register_plugin(_PortableKernels())
            yield from _Work(client, function, tasks).results()
        except KilledWorker as error:
            raise KlayerError(
                f"{error.task}: {error.allowed_failures + 1} workers were lost that did this task, "
                "perhaps for want of memory: give them more, or train fewer networks together "
                f"(search.population_size); {GO_ON}"
            ) from None
        except (CancelledError, OSError) as error:
            raise KlayerError(
                f"the scheduler at {os.environ[ADDRESS]} ({ADDRESS}) is gone: start it again, or "
                f"unset the variable to train on this machine; {GO_ON}"
            ) from error


@contextmanager
def _connected() -> Iterator[Client]:
    """A client of the cluster, closed at the end. Certificates come from Dask's settings."""
    address = os.environ[ADDRESS]
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are told in sentences
    try:
        client = Client(address, timeout=TIMEOUT, name="klayer")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise KlayerError(
            f"no scheduler of Dask can be used at {address!a} ({ADDRESS}; {reason}): start one, "
            "`dask scheduler`, or unset the variable to train on this machine"
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=2)


class _Work:
    """The tasks on their way."""

    def __init__(self, client: Client, function: Function, tasks: Sequence[Task]) -> None:
        self.client, self.function, self.run = client, function, uuid.uuid4().hex
        self.here = remote.identity()
        self.images = remote.digest(tasks[0].data)
        self.carried: Future[Any] | None = None
        self.tasks = {self._submit(task): task for task in tasks}

    def results(self) -> Iterator[Trained]:
        ready = as_completed(list(self.tasks))
        for future in ready:
            task, answer = self.tasks.pop(future), future.result()
            if not isinstance(answer, _Unfit):
                yield answer
            elif answer.reason:
                raise KlayerError(f"worker {answer.worker}: {answer.reason}")
            else:
                again = self._submit(task, self._carry(task.data))
                self.tasks[again] = task
                ready.add(again)

    def _submit(self, task: Task, images: Future[Any] | None = None) -> Future[Any]:
        key = f"{task.name}{', with images' if images else ''}-{self.run}"  # as the dashboard shows
        arguments = (self.function, task, self.here, self.images, images)
        return self.client.submit(_work, *arguments, key=key, pure=False)

    def _carry(self, folder: Path) -> Future[Any]:
        """The files of the images, for workers that do not have them; they are sent once."""
        if self.carried is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that they are large
                files = remote.files(folder)
                self.carried = self.client.submit(
                    _carried, files, key=f"images-{self.images}", pure=False
                )
        return self.carried


def _carried(files: remote.Files) -> remote.Files:
    return files


def _work(
    function: Function, task: Task, there: remote.Identity, digest: str, files: remote.Files | None
) -> Trained | _Unfit:
    """Runs in a worker."""
    worker: Any = get_worker()
    if difference := remote.difference(there):
        return _Unfit(worker.address, difference)
    folder = remote.images(task.data, digest, files, Path(worker.local_directory))
    if folder is None:
        return _Unfit(worker.address, None)
    with remote.one_blas_thread():
        done = function(replace(task, data=folder))
    return replace(done, worker=worker.address)


class _PortableKernels(NannyPlugin):
    """Lets a nanny's worker load the portable kernels, which one that runs already can no more:
    Dask loads NumPy when it starts. It is restarted once for that, unless it has them.
    """

    name = "klayer-portable-kernels"
    idempotent = True  # once for a scheduler
    restart = False

    def setup(self, nanny: Nanny) -> None:
        """In the nanny, where klayer, just imported, has chosen the kernels of that machine."""
        chosen = {name: os.environ[name] for name in klayer.PORTABLE if name in os.environ}
        nanny.pre_spawn_env.update(chosen)
        if nanny.process and nanny.process.pid:
            has = psutil.Process(nanny.process.pid).environ()
            self.restart = not chosen.items() <= has.items()


class _Watch:
    """Polls, and says when the cluster has no worker."""

    def __init__(self, client: Client, poll: Callable[[], None]) -> None:
        self.client, self.poll, self.calls, self.told = client, poll, 0, False

    def __call__(self) -> None:
        self.poll()
        if self.calls % LOOK_EVERY == 0:
            self._look()
        self.calls += 1

    def _look(self) -> None:
        try:
            workers = self.client.scheduler_info()["workers"]
        except Exception:  # the scheduler is gone, which the tasks tell
            return
        if not workers and not self.told:
            address = os.environ[ADDRESS]
            print(f"no worker at {address} yet: waiting for one", file=sys.stderr, flush=True)
        self.told = not workers
