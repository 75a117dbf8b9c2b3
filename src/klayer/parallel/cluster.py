"""Trains on the workers of a Dask cluster, the one that DASK_SCHEDULER_ADDRESS names.

It uses Dask's client, not joblib's backend for Dask: with that, tasks cannot be named, and a lost
scheduler is waited for without end. This is the only module that names Dask. It is imported when
the variable is set, and by the workers.
"""

from __future__ import annotations

import logging
import os
import sys
import uuid
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError

from distributed import Client, KilledWorker, as_completed, get_worker

from klayer.data.dataset import Dataset
from klayer.errors import KlayerError, one_line
from klayer.parallel.checkpoints import identity
from klayer.parallel.runner import CLUSTER, GO_ON, Result
from klayer.training.trainer import Job, train

TIMEOUT = 15  # seconds to wait for the scheduler's answer


def results(name: str, jobs: Sequence[Job], dataset: Dataset) -> Iterator[Result]:
    """Yields the outcome of each job of the stage `name` as soon as it is finished.

    Raises KlayerError when the scheduler does not answer or is gone, when a worker has other
    versions or other code than this process, and when a task kills its workers.
    """
    for logger in ("distributed", "distributed.client", "asyncio"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)  # errors are raised
    warnings.filterwarnings("ignore", "Sending large graph")  # the images
    address = os.environ[CLUSTER]
    try:
        client = Client(address, timeout=TIMEOUT, name="klayer")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise KlayerError(
            f"no Dask scheduler at {address!a} ({CLUSTER}; {one_line(error)}): start one, "
            "`dask scheduler`, or unset the variable to train on this machine"
        ) from None
    try:
        if not client.scheduler_info()["workers"]:
            print("no worker yet: waiting for one", file=sys.stderr, flush=True)
        # As a task, which Dask repeats when the worker that holds the images dies.
        images = client.submit(lambda dataset: dataset, dataset, pure=False)
        futures = []
        for job in jobs:
            key = f"{name}, seed {job.seed}, l2 {job.training.l2:.3g}-{uuid.uuid4().hex}"
            futures.append(client.submit(_work, job, images, identity(), key=key))
        for future in as_completed(futures):
            yield future.result()
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


def _work(job: Job, images: Dataset, needed: dict[str, str]) -> Result:
    """Trains a network in a worker. Raises KlayerError when versions or code are others there."""
    for name, value in needed.items():
        if (own := identity().get(name)) != value:
            raise KlayerError(
                f"worker {get_worker().address}: it has {name} {own}, and {value} is needed: start "
                "it in the same environment, with the same code of klayer"
            )
    return job, train(job, images)
