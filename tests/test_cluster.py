"""Training on a cluster of Dask, alive: the same bytes, and each fault in a sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conftest import ROOT, tiny_settings, write_processed, write_settings
from klayer.data.dataset import PROCESSED
from klayer.parallel.checkpoints import CHECKPOINTS

pytest.importorskip("distributed", reason="Dask is not installed")

from dask_cluster import Cluster, free_port, kill, until

FILES = ("data/models/bn.safetensors", "plots/seeds/bn.csv", "plots/train/bn.csv")


class Expected(NamedTuple):
    project: Path
    files: dict[str, bytes]


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
    return {name: Path(name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Expected]:
    """A project of tiny settings, and what this machine's own processes make of it."""
    folder = tmp_path_factory.mktemp("local")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_processed(PROCESSED)
        write_settings(settings())
        errors(train(""))
        yield Expected(folder, contents())


def settings() -> dict[str, Any]:
    params = tiny_settings()
    params["training"] |= {"seeds": [1, 2, 3], "half_cycle": 2000, "evaluation_interval": 1000}
    return params


@pytest.fixture
def study(expected: Expected, tmp_path: Path) -> Iterator[Path]:
    """The project in a folder of its own, which is the working folder."""
    folder = tmp_path / "study"
    shutil.copytree(expected.project / "data/processed", folder / "data/processed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_settings(settings())
        yield folder


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "cluster") as running:
        yield running


def preload(cluster: Cluster, code: str) -> list[str]:
    """Options of a worker that runs this code first: for what a single machine has not."""
    path = cluster.folder / "preload.py"
    path.write_text(f"import klayer.parallel.cluster as cluster\n{code}\n")
    return ["--preload", str(path)]


def finished() -> list[Path]:
    return list(CHECKPOINTS.glob("train@bn/*.kept"))


def test_workers_that_share_the_folder_give_the_same_bytes(
    cluster: Cluster, study: Path, expected: Expected
) -> None:
    """They need klayer's environment and nothing else; none is restarted. The first is late."""
    running = train(cluster.address)
    assert running.stderr
    assert running.stderr.readline() == "no worker yet: waiting for one\n"
    cluster.worker("--nworkers", "2", "--nthreads", "2")
    errors(running)
    assert contents() == expected.files
    assert list(cluster.folder.rglob("klayer-images-*")) == []
    assert cluster.log("scheduler").count(b"Register worker") == 2
    assert b"Remove worker" not in cluster.log("scheduler")


def test_a_killed_worker_s_task_is_done_by_one_that_has_no_images(
    cluster: Cluster, study: Path, expected: Expected
) -> None:
    """The first worker dies; the second one, which does not see the folder, comes later."""
    first = cluster.worker()
    running = train(cluster.address)
    until(finished, "a first network")
    kill(first)
    blind = """
from pathlib import Path
work = cluster.original = getattr(cluster, "original", cluster._work)  # Dask may run this twice
cluster._work = lambda task, data, *rest: work(task, Path("/nowhere"), *rest)
"""
    cluster.worker(*preload(cluster, blind))
    errors(running)
    assert contents() == expected.files
    (images,) = cluster.folder.rglob("klayer-images-*")
    assert {path.name for path in images.iterdir()} == set(os.listdir(PROCESSED))


def test_a_task_that_kills_its_workers_is_named(tmp_path: Path, study: Path) -> None:
    once = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with Cluster(tmp_path / "cluster", env=once) as cluster:
        greedy = "cluster.identity = lambda: {'python': str(bytearray(2 * 10**9))}"
        cluster.worker("--memory-limit", "700MB", *preload(cluster, greedy))
        error = errors(train(cluster.address), 1)
    assert re.search(r"Error: train@bn, seed \d, l2 0.005.*: 2 workers died of this task", error)


def test_a_scheduler_that_goes_loses_nothing(
    cluster: Cluster, study: Path, expected: Expected
) -> None:
    cluster.worker()
    running = train(cluster.address)
    until(finished, "a first network")
    kill(cluster.scheduler)
    error = errors(running, 1)
    assert f"the scheduler at {cluster.address} (DASK_SCHEDULER_ADDRESS) is gone" in error
    assert finished()
    errors(train(""))
    assert contents() == expected.files


def test_a_worker_of_another_version_or_with_other_code_is_named(
    cluster: Cluster, study: Path
) -> None:
    cluster.worker(*preload(cluster, "there = cluster.identity(); there['numpy'] = '1.0'"))
    error = errors(train(cluster.address), 1)
    assert re.search(r"Error: worker tcp://127.0.0.1:\d+: it has numpy 1.0, and \d+\.", error)


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1:{port}"])
def test_a_wrong_address_is_told(address: str, study: Path) -> None:
    address = address.format(port=free_port())
    error = errors(train(address), 1)
    assert f"Error: no Dask scheduler at '{address}' (DASK_SCHEDULER_ADDRESS" in error


def test_without_dask_it_is_said_how_to_get_it(study: Path) -> None:
    Path("distributed.py").write_text("raise ImportError('No module named distributed')")
    path = os.pathsep.join([os.getcwd(), str(ROOT / "src")])
    assert "`pip install 'klayer[cluster]'`" in errors(train("tcp://here:1", PYTHONPATH=path), 1)


def test_dask_is_not_loaded_for_a_run_on_this_machine() -> None:
    code = "import sys, klayer.stages.train; print({'dask', 'distributed'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
