"""Tasks over processes: equal results. test_cli.py shows that none is left behind."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
from pathlib import Path

import joblib
import pytest

from conftest import BATCH_NORM, one
from klayer.errors import KlayerError
from klayer.parallel.runner import map_tasks, train_jobs
from test_checkpoints import same


@pytest.mark.skipif(joblib.cpu_count() < 2, reason="needs a worker process")
def test_a_worker_that_dies_is_told_and_others_take_its_place() -> None:
    with pytest.raises(KlayerError, match=r"worker process was killed.*run the same"):
        list(map_tasks(os._exit, [1, 2]))
    assert sorted(map_tasks(operator.neg, [2, 3])) == [-3, -2]


def test_a_worker_loads_no_library_of_tables_and_none_of_clusters() -> None:
    """Which would cost each process some 60 MB."""
    code = "import sys, klayer.parallel.runner; print({'pandas', 'distributed'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_results_do_not_depend_on_the_number_of_processes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [one(seed, block=BATCH_NORM, l2=l2) for seed in (1, 2) for l2 in (0.0, 0.1)]
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    alone = train_jobs("stage", jobs)
    monkeypatch.undo()
    monkeypatch.chdir(project)
    monkeypatch.setattr("joblib.cpu_count", lambda *_, **__: 2)
    assert all(map(same, train_jobs("stage", jobs), alone))
