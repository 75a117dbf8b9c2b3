"""Maps tasks over the workers of a Dask cluster, the one that DASK_SCHEDULER_ADDRESS names.

By Dask's own client, not by joblib's backend for it: that one gives tasks no names of ours, and
waits for ever when the scheduler is gone. The only module that names Dask; it is imported where the
variable is set, and by the workers.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from distributed import Client, Future, KilledWorker, as_completed, get_worker

from klayer.errors import KlayerError
from klayer.files import whole_folder
from klayer.parallel.digests import identity, images_digest
from klayer.parallel.runner import CLUSTER, Task
from klayer.training.job import Outcome

TIMEOUT = 15  # seconds until a scheduler that does not answer is given up
LOGGERS = ("distributed", "distributed.client", "asyncio")  # each has a level of its own
GO_ON = "what was finished is kept: run the same command again to go on"

Result = tuple[int, Outcome]
Files = dict[str, bytes]
_lock = threading.Lock()  # a worker may have several threads


def map_tasks(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
    """function(task) of each task, as soon as it is there.

    Raises KlayerError when the scheduler does not answer or is gone, when a worker has other
    versions or other code than this process, and when workers die of a task.
    """
    if not tasks:
        return
    with _connected() as client:
        try:
            yield from _results(client, function, tasks)
        except KilledWorker as error:
            raise KlayerError(
                f"{error.task}: {error.allowed_failures + 1} workers were lost that did this task, "
                f"perhaps for want of memory: give them more; {GO_ON}"
            ) from None
        except (CancelledError, OSError) as error:
            raise KlayerError(
                f"the scheduler at {os.environ[CLUSTER]} ({CLUSTER}) is gone: start it again, or "
                f"unset the variable to train on this machine; {GO_ON}"
            ) from error


@contextmanager
def _connected() -> Iterator[Client]:
    """A client of the cluster, closed at the end. Certificates come from Dask's settings."""
    address = os.environ[CLUSTER]
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are told in sentences
    try:
        client = Client(address, timeout=TIMEOUT, name="klayer")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise KlayerError(
            f"no scheduler of Dask can be used at {address!a} ({CLUSTER}; {reason}): start one, "
            "`dask scheduler`, or unset the variable to train on this machine"
        ) from None
    if not client.scheduler_info()["workers"]:
        print(f"no worker at {address} yet: waiting for one", file=sys.stderr, flush=True)
    try:
        yield client
    finally:
        client.close(timeout=2)


def _results(
    client: Client, function: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[Result]:
    run, folder = uuid.uuid4().hex, tasks[0].data
    wanted = images_digest(folder)

    def submit(task: Task, images: Future[Files] | None = None) -> Future[Any]:
        key = f"{task.name}{', with images' if images else ''}-{run}"  # as the dashboard shows
        return client.submit(_work, function, task, identity(), wanted, images, key=key, pure=False)

    waiting = {submit(task): task for task in tasks}
    images: Future[Files] | None = None
    ready = as_completed(list(waiting))
    for future in ready:
        task, result = waiting.pop(future), future.result()
        if result is not None:
            yield result
            continue
        if images is None:
            files = {path.name: path.read_bytes() for path in folder.iterdir()}
            images = client.submit(dict, files, pure=False)
        waiting[again := submit(task, images)] = task
        ready.add(again)


def _work(
    function: Callable[[Task], Result],
    task: Task,
    needed: dict[str, str],
    wanted: str,
    images: Files | None,
) -> Result | None:
    """Runs in a worker: the result, or None where it has no images.

    Raises KlayerError when the worker has other versions or other code.
    """
    worker: Any = get_worker()
    for name, value in needed.items():
        if (found := identity().get(name)) != value:
            raise KlayerError(
                f"worker {worker.address}: it has {name} {found}, and {value} is needed: start it "
                "in the same environment, with the same code of klayer"
            )
    own = Path(worker.local_directory) / f"klayer-images-{wanted[:16]}"
    with _lock:
        if not own.is_dir() and images:
            with whole_folder(own) as partial:
                for name, content in images.items():
                    (partial / name).write_bytes(content)
    for folder in (task.data, own):
        if (folder / "train_images.npy").is_file() and images_digest(folder) == wanted:
            return function(replace(task, data=folder))
    return None
