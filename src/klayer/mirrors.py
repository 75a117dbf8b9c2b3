"""Downloads a file from a mirror: resumes, watches the rate, says in a line why it gave up."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from requests import Response
from tqdm import tqdm
from urllib3.exceptions import HTTPError, NameResolutionError

from klayer.archive import LARGEST_ARCHIVE
from klayer.sources import DataConfig, sha256

REDIRECTS = 5
BLOCK = 1 << 18  # bytes read at once, at the most
LINE_EVERY = 10.0  # seconds between lines where there is no terminal


class MirrorError(Exception):
    """The mirror is left for the next one; the text says why."""


class TooSlowError(MirrorError):
    """The mirror works, but slower than the wanted rate."""


class CannotResumeError(MirrorError):
    """The mirror has to be asked for the whole file."""


def download(url: str, folder: Path, data: DataConfig, patient: bool = False) -> Path:
    """The file at `url`, in `folder`, with a SHA-256 that is in data.archives.

    What was loaded before is kept there under a name with `.partial`, and resumed. With `patient`
    a slow mirror is waited for, for as long as anything arrives. Raises MirrorError.
    """
    unfinished = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.partial"
    unfinished.touch()
    resumed = unfinished.stat().st_size
    try:
        if not (resumed and data.name_of(sha256(unfinished))):
            while _load(url, unfinished, data, patient):
                pass
        digest = sha256(unfinished)
        if data.name_of(digest):
            return unfinished
        raise CannotResumeError(f"sends another file (SHA-256 {digest})")
    except CannotResumeError:
        unfinished.unlink()
        if resumed:  # once more, from the start
            return download(url, folder, data, patient)
        raise


def _load(url: str, unfinished: Path, data: DataConfig, patient: bool) -> bool:
    """Appends what is missing. True if a patient attempt broke off, but got further."""
    before = unfinished.stat().st_size
    try:
        with _reasons(), _open(url, before, data) as response, unfinished.open("ab") as file:
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
    except MirrorError:
        if patient and unfinished.stat().st_size > before:
            return True
        raise
    return False


@contextmanager
def _open(url: str, start: int, data: DataConfig) -> Iterator[Response]:
    """The answer to a request for the file from byte `start` on, redirects followed."""
    with requests.Session() as session:
        for _ in range(REDIRECTS + 1):
            response = _within(data.connect_timeout, partial(_get, session, url, start, data))
            with response:
                if not response.is_redirect:
                    yield response
                    return
                target = urljoin(url, response.headers["Location"])
            if urlsplit(target).scheme != urlsplit(url).scheme:
                raise MirrorError(f"redirects to another scheme, {target[:200]!r}")
            url = target
    raise MirrorError(f"redirects more than {REDIRECTS} times")


def _get(session: requests.Session, url: str, start: int, data: DataConfig) -> Response:
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    limits = (data.connect_timeout, data.slow_seconds)
    return session.get(url, headers=headers, stream=True, timeout=limits, allow_redirects=False)


def _begin(response: Response, start: int) -> int:
    """The byte at which the answer begins: `start`, or 0 where the server cannot resume."""
    kind = response.headers.get("Content-Type", "")
    size = response.headers.get("Content-Length", "")
    if start and response.status_code == 416:
        raise CannotResumeError("has fewer bytes than were loaded before")
    if response.status_code not in (200, 206):
        raise MirrorError(f"answers {response.status_code} {response.reason}")
    if kind.startswith("text/html"):
        raise MirrorError("answers with a web page, not with a file")
    if size.isdigit() and start + int(size) > LARGEST_ARCHIVE:
        raise MirrorError(f"announces {int(size):,} bytes, too many for this archive")
    if response.status_code == 200:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise CannotResumeError("resumes at another byte than it was asked for")
    return start


def _within(seconds: float, call: Callable[[], Response]) -> Response:
    """The outcome of the call, in a thread: looking a name up and trying each of its addresses
    have no time limit of their own.
    """
    outcome: Future[Response] = Future()

    def work() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        raise MirrorError(f"does not answer within {seconds:g} s") from None


@contextmanager
def _reasons() -> Iterator[None]:
    """Turns the many errors of a connection into a MirrorError with one line."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise MirrorError(f"has no certificate to trust ({_root(error)})") from None
    except requests.exceptions.ConnectTimeout:
        raise MirrorError("cannot be reached in time") from None
    except (requests.exceptions.Timeout, TimeoutError):
        raise TooSlowError("stalls") from None
    except (requests.exceptions.RequestException, HTTPError, ValueError) as error:
        raise _reason(error) from None


def _reason(error: Exception) -> MirrorError:
    cause = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    if isinstance(cause, NameResolutionError):
        return MirrorError("its host has no name in the network")
    if "timed out" in str(cause):
        return TooSlowError("stalls")
    return MirrorError(f"breaks off ({_root(error)})")


def _root(error: BaseException) -> str:
    """The innermost error in words, in one line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return " ".join(str(error).split())[:200] or type(error).__name__


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
