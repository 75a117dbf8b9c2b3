"""Tasks over processes: equal results. test_cli.py shows that none is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import joblib
import pytest

from conftest import BATCH_NORM, one
from klayer.errors import KlayerError
from klayer.parallel.runner import train_jobs
from klayer.parallel.workers import map_tasks
from tasks import die, square


@pytest.mark.parametrize("tasks", [range(7), [3], []])
def test_the_results_of_all_tasks_come(tasks: list[int]) -> None:
    assert sorted(map_tasks(square, tasks)) == [x * x for x in tasks]


@pytest.mark.skipif(joblib.cpu_count() < 2, reason="needs a worker process")
def test_a_worker_that_dies_is_told() -> None:
    with pytest.raises(KlayerError, match=r"worker process was killed.*run the same"):
        list(map_tasks(die, [1, 2]))
    assert sorted(map_tasks(square, [2, 3])) == [4, 9]


def test_a_worker_loads_no_library_of_tables() -> None:
    """Which would cost each process some 60 MB."""
    loaded = "import sys, klayer.parallel.runner"
    code = f"{loaded}; print('pandas' in sys.modules)"
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert output == "False\n"


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
