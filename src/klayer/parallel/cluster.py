"""Trains on the workers of a Dask cluster, the one that DASK_SCHEDULER_ADDRESS names.

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
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from distributed import Client, Future, KilledWorker, as_completed, get_worker

from klayer.errors import KlayerError, one_line
from klayer.files import write_folder
from klayer.parallel.digests import identity, images_digest
from klayer.parallel.runner import CLUSTER, Result, Task, train_task

TIMEOUT = 15  # seconds until a scheduler that does not answer is given up
GO_ON = "what was finished is kept: run the same command again"

Files = dict[str, bytes]
_lock = threading.Lock()  # a worker may have several threads


def map_tasks(name: str, tasks: Sequence[Task], data: Path) -> Iterator[Result]:
    """The result of each task of the stage `name`, as soon as it is there. `data` has the images.

    Raises KlayerError when the scheduler does not answer or is gone, when a worker has other
    versions or other code than this process, and when workers die of a task.
    """
    if not tasks:
        return
    for logger in ("distributed", "distributed.client", "asyncio"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)  # errors are raised
    address = os.environ[CLUSTER]
    try:
        client = Client(address, timeout=TIMEOUT, name="klayer")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise KlayerError(
            f"no Dask scheduler at {address!a} ({CLUSTER}; {one_line(error)}): start one, "
            "`dask scheduler`, or unset the variable to train on this machine"
        ) from None
    try:
        yield from _results(client, name, tasks, data)
    except KilledWorker as error:
        raise KlayerError(
            f"{error.task}: {error.allowed_failures + 1} workers died of this task, perhaps "
            f"because memory ran out: give them more; {GO_ON}"
        ) from None
    except (CancelledError, OSError) as error:
        raise KlayerError(
            f"the scheduler at {address} ({CLUSTER}) is gone: start it again, or unset the "
            f"variable to train on this machine; {GO_ON}"
        ) from error
    finally:
        client.close(timeout=2)


def _results(client: Client, name: str, tasks: Sequence[Task], data: Path) -> Iterator[Result]:
    if not client.scheduler_info()["workers"]:
        print("no worker yet: waiting for one", file=sys.stderr, flush=True)
    run, digest = uuid.uuid4().hex, images_digest(data)

    def submit(task: Task, images: Future[Files] | None = None) -> Future[Any]:
        _, job = task
        key = f"{name}, seed {job.seed}, l2 {job.training.l2:.3g}{', images' if images else ''}"
        arguments = (task, data, identity(), digest, images)
        return client.submit(_work, *arguments, key=f"{key}-{task[0]}-{run}", pure=False)

    waiting = {submit(task): task for task in tasks}
    images: Future[Files] | None = None
    ready = as_completed(list(waiting))
    for future in ready:
        task, result = waiting.pop(future), future.result()
        if result is not None:
            yield result
            continue
        if images is None:
            files = {path.name: path.read_bytes() for path in data.iterdir()}
            images = client.submit(dict, files, pure=False)
        waiting[again := submit(task, images)] = task
        ready.add(again)


def _work(
    task: Task, data: Path, needed: dict[str, str], digest: str, images: Files | None
) -> Result | None:
    """Runs in a worker: the result, or None where it has no images.

    Raises KlayerError when the worker has other versions or other code.
    """
    worker: Any = get_worker()
    for name, value in needed.items():
        if (own := identity().get(name)) != value:
            raise KlayerError(
                f"worker {worker.address}: it has {name} {own}, and {value} is needed: start it "
                "in the same environment, with the same code of klayer"
            )
    local = Path(worker.local_directory) / f"klayer-images-{digest[:16]}"
    with _lock:
        if not local.is_dir() and images:
            write_folder(local, images)
    for folder in (data, local):
        if (folder / "train_images.npy").is_file() and images_digest(folder) == digest:
            return train_task(folder, task)
    return None
