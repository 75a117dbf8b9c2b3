"""Training on a cluster of Dask, alive: the same bytes, and each fault in a sentence.

The tests of a process share two workers, which are processes, too.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from conftest import one, write_processed
from klayer.data.dataset import PROCESSED
from klayer.errors import KlayerError
from klayer.parallel import checkpoints
from klayer.parallel.runner import CLUSTER, train_jobs
from klayer.training.trainer import Job, Outcome
from test_checkpoints import same

pytest.importorskip("distributed", reason="Dask is not installed")

from distributed import Client, LocalCluster

pytestmark = pytest.mark.filterwarnings("ignore")  # of Dask's own loop, when a cluster is closed
JOBS = [one(seed) for seed in (1, 2, 3)]
OPTIONS = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Outcome]]:
    """What this process makes of the jobs, in the working folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("project"))
        patch.setattr("joblib.cpu_count", lambda: 1)
        patch.delenv(CLUSTER, raising=False)
        write_processed(PROCESSED)
        yield train_jobs("stage", JOBS)


@pytest.fixture(scope="module")
def shared(expected: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A scheduler without workers."""
    folder = str(tmp_path_factory.mktemp("workers"))
    with LocalCluster(n_workers=0, local_directory=folder, **OPTIONS) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> LocalCluster:
    """The cluster, on which networks are trained."""
    monkeypatch.setenv(CLUSTER, shared.scheduler_address)
    return shared


def are_same(outcomes: list[Outcome], expected: list[Outcome]) -> bool:
    return all(map(same, outcomes, expected))


def run_in_workers(cluster: LocalCluster, function: Any) -> None:
    cluster.scale(2)
    with Client(cluster) as client:
        client.wait_for_workers(2)
        client.run(function)


def module() -> Any:
    """Of a worker, which the functions below change."""
    return import_module("klayer.parallel.cluster")


def die_of_any_task() -> None:
    module().train = lambda job, images: os._exit(1)


def have_another_numpy() -> None:
    module().identity()["numpy"] = "1.0"


def hang_in_the_second_task() -> None:
    module().identity.cache_clear()
    train, trained = module().train, []

    def hanging(job: Job, images: Any) -> Outcome:
        trained.append(job)
        time.sleep(600 * (len(trained) - 1))
        outcome: Outcome = train(job, images)
        return outcome

    module().train = hanging


def test_workers_that_come_late_give_the_same_bytes(
    cluster: LocalCluster, expected: list[Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    """They need klayer's environment and no folder: the images are sent."""
    cluster.scale(2)
    assert are_same(train_jobs("stage", JOBS), expected)
    assert capsys.readouterr().err == "no worker yet: waiting for one\n"


def test_a_task_that_kills_its_workers_is_named(
    cluster: LocalCluster, expected: list[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless other workers may repeat it."""
    run_in_workers(cluster, die_of_any_task)
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(KlayerError, match=r"^stage, seed \d, l2 0.005.*: 1 workers died of this"):
        train_jobs("stage", JOBS)
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 3)
    assert are_same(train_jobs("stage", JOBS), expected)


def test_a_worker_with_other_versions_or_other_code_is_named(cluster: LocalCluster) -> None:
    run_in_workers(cluster, have_another_numpy)
    with pytest.raises(KlayerError, match=r"^worker tcp://\S+: it has numpy 1.0, and \d+\."):
        train_jobs("stage", JOBS)


def test_a_scheduler_that_goes_loses_nothing(
    cluster: LocalCluster, expected: list[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_in_workers(cluster, hang_in_the_second_task)
    monkeypatch.setattr("klayer.parallel.cluster.TIMEOUT", 1)
    keep = checkpoints.keep

    def keep_and_close(stage: str, job: Job, outcome: Outcome) -> None:
        keep(stage, job, outcome)
        cluster.close()

    monkeypatch.setattr(checkpoints, "keep", keep_and_close)
    with pytest.raises(KlayerError, match=rf"the scheduler at tcp.* \({CLUSTER}\) is gone"):
        train_jobs("stage", JOBS, kept=True)
    with pytest.raises(KlayerError, match=rf"no Dask scheduler at 'tcp.*' \({CLUSTER};"):
        train_jobs("stage", JOBS, kept=True)
    assert 1 <= sum(checkpoints.find("stage", job) is not None for job in JOBS) <= 2
    monkeypatch.delenv(CLUSTER)
    assert are_same(train_jobs("stage", JOBS, kept=True), expected)


def test_without_dask_the_fix_is_named(expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLUSTER, "tcp://here:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "klayer.parallel.cluster")
    monkeypatch.delattr("klayer.parallel.cluster")
    with pytest.raises(KlayerError, match=r"`pip install 'klayer\[cluster\]'`"):
        train_jobs("stage", JOBS)
