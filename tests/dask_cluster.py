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

    def __init__(
        self, folder: Path, protocol: str = "tcp", env: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.processes = folder, list[subprocess.Popen[bytes]]()
        self.env = os.environ | {"PYTHONPATH": str(ROOT / "src")} | dict(env or {})
        self.env["DASK_LOGGING__DISTRIBUTED"] = "info"
        self.address = f"{protocol}://127.0.0.1:{free_port()}"
        self.protocol, self.workers = protocol, 0

    def __enter__(self) -> Cluster:
        self.scheduler = self._start("scheduler", "--no-dashboard", *self._where())
        until(lambda: b"Scheduler at" in self.log("scheduler"), "the scheduler")
        return self

    def _where(self) -> list[str]:
        host, port = self.address.rpartition("/")[2].split(":")
        return ["--host", f"{self.protocol}://{host}", "--port", port]

    def _start(self, kind: str, *options: str, name: str = "") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options]
        with (self.folder / f"{name or kind}.log").open("wb") as log:
            started = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(started)
        return started

    def worker(self, *options: str, waits: bool = True) -> subprocess.Popen[bytes]:
        """Starts a worker with its nanny, in a folder of its own."""
        self.workers += 1
        name = f"worker{self.workers}"
        local = ["--local-directory", str(self.folder / name), "--no-dashboard"]
        options = ("--nthreads", "1", *options)
        started = self._start("worker", self.address, *local, *options, name=name)
        if waits:
            until(lambda: b"Registered to" in self.log(name), "a worker")
        return started

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
