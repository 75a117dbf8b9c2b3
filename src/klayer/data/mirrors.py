"""Downloads a file from a mirror: resumes, watches the rate, says in a line why it gave up."""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

from requests import Response
from tqdm import tqdm

from klayer.data.archive import LARGEST_ARCHIVE
from klayer.data.connection import MirrorError, TooSlowError, open_url, reasons
from klayer.data.sources import DataConfig, sha256

BLOCK = 1 << 18  # bytes read at once, at the most
LINE_EVERY = 10.0  # seconds between lines where there is no terminal


class CannotResumeError(MirrorError):
    """The mirror has to be asked for the whole file."""


def download(url: str, folder: Path, data: DataConfig, patient: bool = False) -> Path:
    """The file at `url`, in `folder`, with a SHA-256 that is in data.archives.

    What was loaded before is kept there under a name with `.partial`, and resumed. With `patient`
    a slow mirror is waited for, for as long as anything arrives. Raises MirrorError.
    """
    unfinished = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.partial"
    resumed = _size(unfinished)
    try:
        if not (resumed and data.name_of(sha256(unfinished))):
            while _load(url, unfinished, data, patient):
                pass
        digest = sha256(unfinished)
        if data.name_of(digest):
            return unfinished
        raise CannotResumeError(f"sends another file (SHA-256 {digest})")
    except CannotResumeError:
        unfinished.unlink(missing_ok=True)
        if resumed:  # once more, from the start
            return download(url, folder, data, patient)
        raise


def _load(url: str, unfinished: Path, data: DataConfig, patient: bool) -> bool:
    """Appends what is missing. True if a patient attempt broke off, but got further."""
    before = _size(unfinished)
    try:
        with reasons(), open_url(url, before, data) as response, unfinished.open("ab") as file:
            start = _begin(response, before)
            file.truncate(start)
            size = response.headers.get("Content-Length")
            end = start + int(size) if size and size.isdigit() else None
            with _Progress(start, end, 0 if patient else data.slow_rate, data.slow_seconds) as seen:
                while block := response.raw.read1(BLOCK):
                    file.write(block)
                    seen.add(len(block))
                if end is not None and seen.position != end:
                    raise MirrorError(f"sends {seen.position:,} bytes of {end:,}")
    except CannotResumeError:
        raise
    except MirrorError:
        if patient and _size(unfinished) > before:
            return True
        raise
    return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _begin(response: Response, start: int) -> int:
    """The byte at which the answer begins: `start`, or 0 where the server cannot resume."""
    kind = response.headers.get("Content-Type", "")
    size = response.headers.get("Content-Length", "")
    if start and response.status_code == 416:
        raise CannotResumeError("has fewer bytes than were loaded before")
    if response.status_code not in (200, 206):
        raise MirrorError(f"answers with the status {response.status_code}")
    if kind.startswith("text/html"):
        raise MirrorError("answers with a web page, not with a file")
    if size.isdigit() and start + int(size) > LARGEST_ARCHIVE:
        raise MirrorError(f"announces {int(size):,} bytes, too many for this archive")
    if response.status_code == 200:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise CannotResumeError("resumes at another byte than it was asked for")
    return start


class _Progress:
    """Shows how far a download is, and raises TooSlowError when it is too slow for too long."""

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
            raise CannotResumeError("sends more bytes than this archive can have")
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
