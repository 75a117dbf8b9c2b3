"""Training on a cluster of Dask, alive: the same bytes, and each fault in a sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, tiny_settings, write_processed, write_settings
from klayer.data.dataset import PROCESSED
from klayer.parallel.checkpoints import CHECKPOINTS

pytest.importorskip("distributed", reason="Dask is not installed")

from distributed import Client, LocalCluster

pytestmark = pytest.mark.filterwarnings("ignore")  # of Dask's own loop, when a cluster is closed
FILES = ("data/models/bn.safetensors", "plots/seeds/bn.csv", "plots/train/bn.csv")
LOCAL = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}


def train(address: str, **variables: str) -> subprocess.Popen[str]:
    """Trains the experiment `bn` of the working folder on the cluster."""
    environment = {"PYTHONPATH": str(ROOT / "src"), "DASK_SCHEDULER_ADDRESS": address}
    return subprocess.Popen(
        [sys.executable, "-m", "klayer", "train", "bn"],
        env=os.environ | environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def errors(process: subprocess.Popen[str], status: int = 0) -> str:
    """What a command wrote to standard error. It has to end with this status."""
    _, text = process.communicate(timeout=180)
    assert process.returncode == status, text
    assert "Traceback" not in text, text
    return text


def contents() -> dict[str, bytes]:
    """Of the results, which are removed, as DVC does before it runs a stage again."""
    found = {name: Path(name).read_bytes() for name in FILES}
    for name in FILES:
        Path(name).unlink()
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """What this machine's own processes make of tiny settings, in the working folder."""
    params = tiny_settings()
    params["training"] |= {"seeds": [1, 2, 3], "half_cycle": 2000, "evaluation_interval": 1000}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("project"))
        write_processed(PROCESSED)
        write_settings(params)
        errors(train(""))
        yield contents()


@pytest.fixture
def cluster(tmp_path: Path, expected: object) -> Iterator[LocalCluster]:
    """A scheduler without workers."""
    options = LOCAL | {"n_workers": 0, "local_directory": str(tmp_path)}
    with LocalCluster(**options) as cluster:
        yield cluster
    shutil.rmtree(".klayer", ignore_errors=True)


def start_workers(cluster: LocalCluster, count: int) -> list[str]:
    """Starts workers, and gives the addresses of all."""
    cluster.scale(count)
    cluster.wait_for_workers(count)
    return list(cluster.scheduler_info["workers"])


def run_in(cluster: LocalCluster, worker: str, function: Callable[[], object]) -> Any:
    with Client(cluster) as client:
        return client.run(function, workers=[worker])[worker]


def wait_for_a_network() -> None:
    end = time.monotonic() + 90
    while not list(CHECKPOINTS.glob("train@bn/*.kept")):
        assert time.monotonic() < end
        time.sleep(0.05)


def module() -> Any:
    """Of a worker, which the functions below change."""
    return import_module("klayer.parallel.cluster")


def see_no_folder() -> None:
    work = module()._work
    module()._work = lambda task, data, *rest: work(task, Path("/nowhere"), *rest)


def have_another_numpy() -> None:
    module().identity()["numpy"] = "1.0"


def die_of_any_task() -> None:
    module().identity = lambda: os._exit(1)


def test_workers_that_share_the_folder_give_the_same_bytes(
    cluster: LocalCluster, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """They need klayer's environment and nothing else; none is restarted. They are late."""
    running = train(cluster.scheduler_address)
    assert running.stderr
    assert running.stderr.readline() == "no worker yet: waiting for one\n"
    workers = start_workers(cluster, 2)
    errors(running)
    assert contents() == expected
    assert list(cluster.scheduler_info["workers"]) == workers
    assert list(tmp_path.rglob("klayer-images-*")) == []


def test_a_killed_worker_s_task_is_done_by_one_that_has_no_images(
    cluster: LocalCluster, expected: dict[str, bytes], tmp_path: Path
) -> None:
    workers = start_workers(cluster, 2)
    run_in(cluster, workers[0], see_no_folder)
    process = run_in(cluster, workers[1], os.getpid)
    running = train(cluster.scheduler_address)
    wait_for_a_network()
    os.kill(process, 9)
    errors(running)
    assert contents() == expected
    (images,) = tmp_path.rglob("klayer-images-*")
    assert {path.name for path in images.iterdir()} == set(os.listdir(PROCESSED))


def test_a_task_that_kills_its_workers_is_named(cluster: LocalCluster) -> None:
    assert cluster.scheduler
    cluster.scheduler.allowed_failures = 0
    (worker,) = start_workers(cluster, 1)
    run_in(cluster, worker, die_of_any_task)
    error = errors(train(cluster.scheduler_address), 1)
    assert re.search(r"Error: train@bn, seed \d, l2 0.005.*: 1 workers died of this task", error)


def test_a_worker_with_other_versions_or_other_code_is_named(cluster: LocalCluster) -> None:
    (worker,) = start_workers(cluster, 1)
    run_in(cluster, worker, have_another_numpy)
    error = errors(train(cluster.scheduler_address), 1)
    assert re.search(rf"Error: worker {worker}: it has numpy 1.0, and \d+\.", error)


def test_a_scheduler_that_goes_loses_nothing(
    cluster: LocalCluster, expected: dict[str, bytes]
) -> None:
    start_workers(cluster, 1)
    running = train(address := cluster.scheduler_address)
    wait_for_a_network()
    cluster.close()
    assert f"the scheduler at {address} (DASK_SCHEDULER_ADDRESS) is gone" in errors(running, 1)
    assert list(CHECKPOINTS.glob("train@bn/*.kept"))
    assert f"no Dask scheduler at '{address}' (DASK_SCHEDULER_ADDRESS" in errors(train(address), 1)
    errors(train(""))
    assert contents() == expected


def test_without_dask_it_is_said_how_to_get_it(expected: object, tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError('No module named distributed')")
    path = os.pathsep.join([str(tmp_path), str(ROOT / "src")])
    assert "`pip install 'klayer[cluster]'`" in errors(train("tcp://here:1", PYTHONPATH=path), 1)


def test_dask_is_not_loaded_for_a_run_on_this_machine() -> None:
    code = "import sys, klayer.stages.train; print({'dask', 'distributed'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
