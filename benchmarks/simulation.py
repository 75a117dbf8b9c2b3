"""Thousands of tasks that only wait, on Dask's own scheduler: where it becomes the limit."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from klayer.errors import KlayerError


@dataclass(frozen=True)
class Simulated:
    """Tasks that waited on so many workers."""

    tasks: int
    workers: int
    seconds: float  # that a task waits
    took: float

    @property
    def rate(self) -> float:
        """Tasks per second."""
        return self.tasks / self.took

    @property
    def ideal(self) -> float:
        """Seconds that the tasks would take if there were nothing beside waiting, tail included."""
        return math.ceil(self.tasks / self.workers) * self.seconds


def simulate(tasks: int, workers: int, seconds: float) -> Simulated:
    """Workers are threads of this process, with one task at a time each.

    Raises KlayerError when Dask is missing.
    """
    try:
        from distributed import Client, LocalCluster, as_completed
    except ImportError as error:
        raise KlayerError(
            f"Dask is not installed ({error}): pip install 'klayer[cluster]'"
        ) from None
    options: dict[str, Any] = {"n_workers": workers, "threads_per_worker": 1}
    with (
        LocalCluster(**options, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        start = time.perf_counter()
        waiting = client.map(time.sleep, [seconds] * tasks, pure=False)
        for _ in as_completed(waiting):
            pass
        return Simulated(tasks, workers, seconds, time.perf_counter() - start)


def table(results: list[Simulated]) -> str:
    """As lines of text."""
    lines = [f"{'tasks':>8}{'workers':>9}{'each s':>8}{'took s':>8}{'ideal s':>9}{'tasks/s':>9}"]
    lines += [
        f"{r.tasks:8,}{r.workers:9,}{r.seconds:8.2f}{r.took:8.1f}{r.ideal:9.1f}{r.rate:9,.0f}"
        for r in results
    ]
    return "\n".join(lines)
