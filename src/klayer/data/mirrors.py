"""Downloads a file from a mirror: resumes, watches the rate, says in a line why it gave up."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from requests import Response
from tqdm import tqdm

from klayer.data.archive import LARGEST_ARCHIVE
from klayer.data.connection import MirrorError, TooSlowError, open_url
from klayer.data.sources import DataConfig

BLOCK = 1 << 18  # bytes read at once, at the most
LINE_EVERY = 10.0  # seconds between lines where there is no terminal


def download(url: str, unfinished: Path, data: DataConfig, patient: bool = False) -> None:
    """Appends to `unfinished` what it has not yet of the file at `url`.

    With `patient` a slow mirror is waited for, for as long as anything arrives. Raises MirrorError.
    """
    while True:
        before = unfinished.stat().st_size if unfinished.exists() else 0
        try:
            return _load(url, unfinished, before, data, 0 if patient else data.slow_rate)
        except MirrorError:
            if not (patient and unfinished.exists() and unfinished.stat().st_size > before):
                raise


def _load(url: str, unfinished: Path, before: int, data: DataConfig, slow_rate: float) -> None:
    with open_url(url, before, data) as response:
        if before and response.status_code == 416:
            return  # there is no more
        start = _begin(response, before)
        size = response.headers.get("Content-Length", "")
        end = start + int(size) if size.isdigit() else None
        with (
            unfinished.open("ab") as file,
            _Progress(start, end, slow_rate, data.slow_seconds) as seen,
        ):
            file.truncate(start)
            while block := response.raw.read1(BLOCK):
                file.write(block)
                seen.add(len(block))


def _begin(response: Response, start: int) -> int:
    """The byte at which the answer begins: `start`, or one before it; 0 if it cannot resume."""
    if response.status_code not in (200, 206):
        raise MirrorError(f"answers with the status {response.status_code}")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise MirrorError("answers with a web page, not with a file")
    if response.status_code == 200:
        return 0
    begin = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if begin is None or int(begin[1]) > start:
        raise MirrorError("resumes at another byte than it was asked for")
    return int(begin[1])


class _Progress:
    """Shows how far a download is; leaves a mirror that is too slow for too long."""

    def __init__(self, start: int, end: int | None, slow_rate: float, slow_seconds: float) -> None:
        self.position, self.end = start, end
        self.slow_rate, self.slow_seconds = slow_rate, slow_seconds
        self.since, self.then = time.monotonic(), start  # the window in which the rate is measured
        self.shown = self.since
        self.bar = tqdm(total=end, initial=start, unit="B", unit_scale=True, disable=None)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def add(self, size: int) -> None:
        """Counts `size` bytes. Raises MirrorError when there are too many or they come slowly."""
        self.position += size
        self.bar.update(size)
        if self.position > LARGEST_ARCHIVE:
            raise MirrorError("sends more bytes than this archive can have")
        now = time.monotonic()
        if self.bar.disable and now - self.shown > LINE_EVERY:
            self.shown = now
            of = f" of {self.end / 1e6:.0f}" if self.end else ""
            print(f"  {self.position / 1e6:.0f}{of} MB", file=sys.stderr, flush=True)
        if now - self.since >= self.slow_seconds:
            rate = (self.position - self.then) / 1000 / (now - self.since)
            if rate < self.slow_rate:
                raise TooSlowError(f"is slow: {rate:.0f} kB/s")
            self.since, self.then = now, self.position
