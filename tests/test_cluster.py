"""Training on a cluster of Dask, alive: the same bytes, and each fault in a sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from conftest import ROOT, tiny_settings, write_processed, write_settings
from klayer.data.dataset import PROCESSED
from klayer.parallel.checkpoints import CHECKPOINTS

pytest.importorskip("distributed", reason="Dask is not installed")

from dask_cluster import Cluster, free_port, kill, until

FILES = ("data/models/bn.safetensors", "plots/seeds/bn.csv", "plots/train/bn.csv")


class Expected(NamedTuple):
    project: Path
    files: dict[str, bytes]


def klayer(address: str, *command: str, **env: str) -> subprocess.Popen[str]:
    """A command in the working folder, on the cluster."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "DASK_SCHEDULER_ADDRESS": address}
    return subprocess.Popen(
        [sys.executable, "-m", "klayer", *command],
        env=environment | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told(process: subprocess.Popen[str], status: int = 0) -> str:
    """What a command said on standard error. It has to end so."""
    _, errors = process.communicate(timeout=180)
    assert process.returncode == status, errors
    assert "Traceback" not in errors, errors
    return errors


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
        told(klayer("", "train", "bn"))
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
    with Cluster(tmp_path / "cluster") as found:
        yield found


def preload(cluster: Cluster, code: str) -> list[str]:
    """Options of a worker that runs this code first: for what a single machine has not."""
    path = cluster.folder / "preload.py"
    path.write_text(f"import klayer.parallel.cluster as cluster\n{code}\n")
    return ["--preload", str(path)]


def finished() -> list[Path]:
    return list(CHECKPOINTS.glob("train@bn/*.kept"))


def registered(cluster: Cluster) -> int:
    return cluster.log("scheduler").count(b"Register worker")


def test_the_same_bytes_from_workers_that_share_the_folder(
    cluster: Cluster, study: Path, expected: Expected
) -> None:
    """They need klayer's environment and nothing else; none is started anew."""
    cluster.worker("--nworkers", "2", "--nthreads", "2")
    until(lambda: registered(cluster) == 2, "both workers")
    told(klayer(cluster.address, "train", "bn"))
    assert contents() == expected.files
    assert list(cluster.folder.rglob("klayer-images-*")) == []
    until(lambda: b"Close client connection: Client-klayer" in cluster.log("scheduler"), "the end")
    assert registered(cluster) == 2
    assert b"Remove worker" not in cluster.log("scheduler")


def test_a_killed_worker_s_task_is_done_by_one_that_has_no_images(
    cluster: Cluster, study: Path, expected: Expected
) -> None:
    """The first worker dies; the second one, which does not see the folder, comes later."""
    first = cluster.worker()
    running = klayer(cluster.address, "train", "bn")
    until(finished, "a first network")
    kill(first)
    blind = """
from dataclasses import replace
from pathlib import Path
work = cluster.original = getattr(cluster, "original", cluster._work)  # Dask may run this twice
def elsewhere(function, task, *rest):
    return work(function, replace(task, data=Path("/nowhere")), *rest)
cluster._work = elsewhere
"""
    cluster.worker(*preload(cluster, blind))
    told(running)
    assert contents() == expected.files
    (images,) = cluster.folder.rglob("klayer-images-*")
    assert {path.name for path in images.iterdir()} == set(os.listdir(PROCESSED))


def test_waits_for_a_worker(cluster: Cluster, study: Path, expected: Expected) -> None:
    running = klayer(cluster.address, "train", "bn")
    assert running.stderr
    assert running.stderr.readline() == f"no worker at {cluster.address} yet: waiting for one\n"
    cluster.worker()
    told(running)
    assert contents() == expected.files


def test_a_task_that_kills_its_workers_is_named(tmp_path: Path, study: Path) -> None:
    once = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with Cluster(tmp_path / "cluster", env=once) as cluster:
        greedy = "cluster.identity = lambda: {'python': str(bytearray(2 * 10**9))}"
        cluster.worker("--memory-limit", "700MB", *preload(cluster, greedy))
        error = told(klayer(cluster.address, "train", "bn"), 1)
    assert re.search(
        r"Error: train@bn, seed \d, l2 0.005-\w+: 2 workers were lost that did this task, perhaps "
        r"for want of memory: give them more; what was finished is kept",
        error,
    )


def test_a_scheduler_that_goes_loses_nothing(
    cluster: Cluster, study: Path, expected: Expected
) -> None:
    cluster.worker()
    running = klayer(cluster.address, "train", "bn")
    until(finished, "a first network")
    gone = time.monotonic()
    kill(cluster.scheduler)
    error = told(running, 1)
    assert time.monotonic() - gone < 30
    assert f"the scheduler at {cluster.address} (DASK_SCHEDULER_ADDRESS) is gone" in error
    kept = {path: path.stat().st_mtime_ns for path in finished()}
    assert kept
    again = klayer("", "train", "bn")
    told(again)
    assert contents() == expected.files


def test_a_worker_of_another_version_or_with_other_code_is_named(
    cluster: Cluster, study: Path
) -> None:
    cluster.worker(*preload(cluster, "there = cluster.identity(); there['numpy'] = '1.0'"))
    error = told(klayer(cluster.address, "train", "bn"), 1)
    (line,) = [line for line in error.splitlines() if line.startswith("Error")]
    assert re.match(r"Error: worker tcp://127.0.0.1:\d+: it has numpy 1.0, and \d+\.", line)


@pytest.mark.parametrize(
    "address", ["nonsense", "tcp://127.0.0.1:{port}", "tls://127.0.0.1:{port}"]
)
def test_a_wrong_address_is_told(address: str, study: Path) -> None:
    address = address.format(port=free_port())
    began = time.monotonic()
    error = told(klayer(address, "train", "bn"), 1)
    assert time.monotonic() - began < 30 + 15  # with what a slow machine takes to start
    assert (
        f"Error: no scheduler of Dask can be used at '{address}' (DASK_SCHEDULER_ADDRESS" in error
    )


def test_without_dask_it_is_said_how_to_get_it(study: Path) -> None:
    Path("distributed.py").write_text("raise ImportError('No module named distributed')")
    path = os.pathsep.join([os.getcwd(), str(ROOT / "src")])
    error = told(klayer("tcp://127.0.0.1:1", "train", "bn", PYTHONPATH=path), 1)
    assert (
        "`pip install 'klayer[cluster]'`, or unset the variable to train on this machine" in error
    )


def test_dask_is_not_loaded_for_a_run_on_this_machine() -> None:
    code = "import sys, klayer.stages.train; print({'dask', 'distributed'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, str]:
    """Dask's variables for encryption, with one certificate for all three kinds of process."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    start = "DASK_DISTRIBUTED__COMM__"
    found = {f"{start}REQUIRE_ENCRYPTION": "true", f"{start}TLS__CA_FILE": str(tmp_path / "ca.pem")}
    for kind in ("SCHEDULER", "WORKER", "CLIENT"):
        for part in ("CERT", "KEY"):
            found[f"{start}TLS__{kind}__{part}"] = str(tmp_path / "own.pem")
    return found


def test_encrypted_for_those_who_have_a_certificate(
    tmp_path: Path, study: Path, expected: Expected, certificates: dict[str, str]
) -> None:
    with Cluster(tmp_path / "cluster", "tls", certificates) as cluster:
        cluster.worker()
        strangers = {k: v for k, v in certificates.items() if "CLIENT" not in k}
        error = told(klayer(cluster.address, "train", "bn", **strangers), 1)
        assert f"no scheduler of Dask can be used at '{cluster.address}'" in error
        told(klayer(cluster.address, "train", "bn", **certificates))
    assert contents() == expected.files
