"""What a command costs: seconds of each of its stages, and the peak memory of all its processes.

Looks at the processes below the command a few times a second, as Linux shows them in /proc. Memory
is the sum of proportional shares (PSS): what processes share counts once.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from klayer.errors import KlayerError

EVERY = 0.05  # seconds between two looks
MEMORY_EVERY = 0.5  # and between two that add up memory, which takes some milliseconds a process
PROC = Path("/proc")


@dataclass
class Cost:
    """Of a command, with all processes that it started."""

    seconds: float = 0
    peak: int = 0  # bytes
    stages: dict[str, float] = field(default_factory=dict)  # a klayer command: its seconds
    status: int = 0

    @property
    def beside(self) -> float:
        """Seconds in which no stage was at work: DVC's own."""
        return self.seconds - sum(self.stages.values())


def measure(command: Sequence[str], folder: Path | None = None) -> Cost:
    """Runs a command and looks at it until it ends. Raises KlayerError where /proc is missing."""
    if not (PROC / "self" / "smaps_rollup").exists():
        raise KlayerError("the cost of a command can be measured on Linux only: there is no /proc")
    cost, start, next_look_at_memory = Cost(), time.perf_counter(), 0.0
    process = subprocess.Popen(command, cwd=folder)
    while process.poll() is None:
        now = time.perf_counter() - start
        below = list(_below(process.pid))
        for stage in {name for name in map(_stage, below) if name}:
            cost.stages[stage] = cost.stages.get(stage, 0) + now - cost.seconds
        if now >= next_look_at_memory:
            cost.peak = max(cost.peak, sum(map(_pss, below)))
            next_look_at_memory = now + MEMORY_EVERY
        cost.seconds = now
        with suppress(subprocess.TimeoutExpired):
            process.wait(EVERY)
    cost.seconds, cost.status = time.perf_counter() - start, process.returncode
    return cost


def table(cost: Cost) -> str:
    """The cost as lines of text."""
    rows = [*cost.stages.items(), ("beside the stages", cost.beside), ("all", cost.seconds)]
    lines = [f"{name:>32}{seconds:9.1f} s" for name, seconds in rows]
    return "\n".join([*lines, f"{'peak memory':>32}{cost.peak / 1e6:9,.0f} MB"])


def _below(pid: int) -> Iterator[int]:
    """A process and all that it started, and so on."""
    yield pid
    for children in (PROC / str(pid) / "task").glob("*/children"):
        with suppress(OSError):  # it has just ended
            for child in children.read_text().split():
                yield from _below(int(child))


def _stage(pid: int) -> str:
    """`klayer train NAME` for the process of a stage, "" for any other."""
    with suppress(OSError):
        words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
        if words[1:3] == ["-m", "klayer"]:
            return " ".join(words[2:]).strip()
    return ""


def _pss(pid: int) -> int:
    """Bytes of a process, what it shares divided by the number of those who share it."""
    with suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
