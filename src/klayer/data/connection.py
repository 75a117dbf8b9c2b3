"""Opens a connection to a mirror, and turns all that can go wrong with it into one line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from urllib.parse import urljoin, urlsplit

import requests
from requests import Response
from urllib3.exceptions import HTTPError, NameResolutionError

from klayer.data.sources import DataConfig

REDIRECTS = 5


class MirrorError(Exception):
    """The mirror is left for the next one; the text says why."""


class TooSlowError(MirrorError):
    """The mirror works, but slower than the wanted rate."""


@contextmanager
def open_url(url: str, start: int, data: DataConfig) -> Iterator[Response]:
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
                raise MirrorError(f"redirects to another scheme, {target[:200]!a}")
            url = target
    raise MirrorError(f"redirects more than {REDIRECTS} times")


def _get(session: requests.Session, url: str, start: int, data: DataConfig) -> Response:
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    limits = (data.connect_timeout, data.slow_seconds)
    return session.get(url, headers=headers, stream=True, timeout=limits, allow_redirects=False)


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
def reasons() -> Iterator[None]:
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
    text = " ".join(str(error).split())[:200]
    return "".join(filter(str.isprintable, text)) or type(error).__name__
