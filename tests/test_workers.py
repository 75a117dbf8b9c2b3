"""Tasks over processes: equal results, no process left behind, no more tasks than cores."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import joblib
import psutil
import pytest

from conftest import BATCH_NORM, one
from klayer.errors import KlayerError
from klayer.parallel import checkpoints
from klayer.parallel.runner import train_jobs
from klayer.parallel.workers import map_tasks
from tasks import die, refuse, square


def test_the_results_of_all_tasks_come() -> None:
    assert sorted(map_tasks(square, range(7))) == [0, 1, 4, 9, 16, 25, 36]


def test_a_single_task() -> None:
    assert list(map_tasks(square, [3])) == [9]
    assert list(map_tasks(square, [])) == []


@pytest.mark.skipif(joblib.cpu_count() < 2, reason="needs a worker process")
def test_a_worker_that_dies_is_told() -> None:
    with pytest.raises(KlayerError, match=r"worker process was ended from outside.*run the same"):
        list(map_tasks(die, [1, 2]))
    assert sorted(map_tasks(square, [2, 3])) == [4, 9]


def test_an_error_of_a_task_comes_through() -> None:
    with pytest.raises(KlayerError, match=r"task \d is refused"):
        list(map_tasks(refuse, [1, 2]))


def test_a_wrong_number_of_cores_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "abc")
    with pytest.raises(KlayerError, match="LOKY_MAX_CPU_COUNT is 'abc', it has to be"):
        list(map_tasks(square, [1, 2]))


def test_results_do_not_depend_on_the_number_of_processes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [one(seed, block=BATCH_NORM, l2=l2) for seed in (1, 2) for l2 in (0.0, 0.1)]
    found = []
    for cores in (1, 2, 3):
        monkeypatch.setattr("joblib.cpu_count", lambda *_, cores=cores, **__: cores)
        outcomes = train_jobs("stage", jobs)
        found.append([(o.row, o.curves["train_loss"].tobytes()) for o in outcomes])
        checkpoints.forget("stage")
    assert found[0] == found[1] == found[2]


RUN = """
import sys
sys.path.insert(0, {tests!r})
from tasks import {function} as function
from klayer.parallel.workers import map_tasks
list(map_tasks(function, range({count})))
"""


def start(function: str, count: int, folder: Path) -> subprocess.Popen[bytes]:
    code = RUN.format(tests=str(Path(__file__).parent), function=function, count=count)
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder)


def wait_until(condition: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(met)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path: Path, kind: signal.Signals) -> None:
    process = start("sleep_long", 2, tmp_path)

    def tree() -> list[psutil.Process]:
        found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
        return found

    expected = min(joblib.cpu_count(), 2)
    assert wait_until(lambda: len(list(tmp_path.glob("worker-*"))) == expected, 30)
    children = tree()
    process.send_signal(kind)
    process.wait(60)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
