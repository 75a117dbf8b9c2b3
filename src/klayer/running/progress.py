"""Progress of a long job: a bar with rate and remaining time on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from tqdm import tqdm

LINE_EVERY = 10.0  # seconds between two plain lines


class Progress:
    """Use as a context: `with Progress("training", 9000, "steps") as p: p.at(100)`."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.bar = tqdm(
            desc=label, total=total, unit=f" {unit}", unit_scale=True, disable=None, file=sys.stderr
        )
        self.started = self.last_line = time.monotonic()
        self.done = 0

    def __enter__(self) -> Progress:
        return self

    def at(self, done: int) -> None:
        """Shows that `done` of the total is done."""
        self.bar.update(done - self.bar.n)
        self.done = done
        now = time.monotonic()
        if self.bar.disable and now - self.last_line >= LINE_EVERY:
            self.last_line = now
            rate = done / (now - self.started)
            left = f", {(self.total - done) / rate:,.0f} s left" if rate else ""
            self._line(f"{done:,} of {self.total:,} {self.unit}, {rate:,.0f}/s{left}")

    def __exit__(self, kind: object, *_: object) -> None:
        self.bar.close()
        if self.bar.disable and kind is None:
            elapsed = time.monotonic() - self.started
            self._line(f"{self.done:,} {self.unit} in {elapsed:,.1f} s")

    def _line(self, text: str) -> None:
        with suppress(OSError):  # a run does not fail because nobody reads on
            print(f"{self.label}: {text}", file=sys.stderr, flush=True)
