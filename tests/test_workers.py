"""Tasks over processes: equal results, no process left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import psutil
import pytest

from conftest import BATCH_NORM, one
from klayer.errors import KlayerError
from klayer.parallel.runner import train_jobs
from klayer.parallel.workers import map_tasks
from tasks import die, refuse, square


@pytest.mark.parametrize("tasks", [range(7), [3], []])
def test_the_results_of_all_tasks_come(tasks: list[int]) -> None:
    assert sorted(map_tasks(square, tasks)) == [x * x for x in tasks]


@pytest.mark.skipif(joblib.cpu_count() < 2, reason="needs a worker process")
def test_a_worker_that_dies_is_told() -> None:
    with pytest.raises(KlayerError, match=r"worker process was killed.*run the same"):
        list(map_tasks(die, [1, 2]))
    assert sorted(map_tasks(square, [2, 3])) == [4, 9]


def test_an_error_of_a_task_comes_through() -> None:
    with pytest.raises(KlayerError, match=r"task \d is refused"):
        list(map_tasks(refuse, [1, 2]))


def test_results_do_not_depend_on_the_number_of_processes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [one(seed, block=BATCH_NORM, l2=l2) for seed in (1, 2) for l2 in (0.0, 0.1)]
    results = []
    for cores in (1, 2, 3):
        monkeypatch.setattr("joblib.cpu_count", lambda *_, cores=cores, **__: cores)
        outcomes = train_jobs("stage", jobs)
        results.append([(o.row, o.curves["train_loss"].tobytes()) for o in outcomes])
    assert results[0] == results[1] == results[2]


RUN = """
import sys
sys.path.insert(0, {tests!r})
from tasks import sleep_long
from klayer.parallel.workers import map_tasks
list(map_tasks(sleep_long, range(2)))
"""


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return met


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(tmp_path: Path, kind: signal.Signals) -> None:
    code = RUN.format(tests=str(Path(__file__).parent))
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    workers = min(joblib.cpu_count(), 2)
    assert wait_until(lambda: len(list(tmp_path.glob("worker-*"))) == workers, 30)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(kind)
    process.wait(60)
    assert psutil.wait_procs(children, timeout=10)[1] == []
