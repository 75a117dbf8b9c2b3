"""A scheduler and workers of Dask on loopback, each a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from conftest import ROOT

PATIENCE = 90  # seconds, on a slow machine that does other work as well


def until(true: Callable[[], object], what: str) -> None:
    """Waits for a condition."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
    return port


class Cluster:
    """Use as a context. Everything is killed at the end."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.processes = folder, list[subprocess.Popen[bytes]]()
        self.env = os.environ | {"PYTHONPATH": str(ROOT / "src")} | dict(env or {})
        self.env["DASK_LOGGING__DISTRIBUTED"] = "info"
        self.port = str(free_port())
        self.address = f"tcp://127.0.0.1:{self.port}"

    def __enter__(self) -> Cluster:
        where = ("--host", "127.0.0.1", "--port", self.port)
        self.scheduler = self._start("scheduler", "scheduler", *where)
        until(lambda: b"Scheduler at" in self.log("scheduler"), "the scheduler")
        return self

    def _start(self, kind: str, name: str, *options: str) -> subprocess.Popen[bytes]:
        module = f"distributed.cli.dask_{kind}"
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, "--no-dashboard", *options],
                cwd=self.folder,
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Starts a worker with its nanny, in a folder of its own."""
        name = f"worker{len(self.processes)}"
        local = ("--local-directory", str(self.folder / name))
        process = self._start("worker", name, self.address, *local, "--nthreads", "1", *options)
        until(lambda: b"Registered to" in self.log(name), "a worker")
        return process

    def log(self, name: str) -> bytes:
        return (self.folder / f"{name}.log").read_bytes()

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """A process and those that it started, at once."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
