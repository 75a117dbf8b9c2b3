"""Opens a connection to a mirror, and turns all that can go wrong with it into one line."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urljoin, urlsplit

import requests
from requests import Response
from requests.exceptions import ConnectTimeout, InvalidSchema, ProxyError, SSLError, Timeout
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import HTTPError, NameResolutionError, ReadTimeoutError
from urllib3.util import parse_url

from klayer.data.sources import DataConfig
from klayer.errors import KlayerError

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # the first that is set is the one


class MirrorError(Exception):
    """The mirror is left for the next one; the text says why."""


class TooSlowError(MirrorError):
    """The mirror works, but slower than the wanted rate."""


class ProxyFaultError(MirrorError):
    """The proxy is at fault, not the mirror; the text names the proxy's variable."""


class _Session(requests.Session):
    def get_redirect_target(self, resp: Response) -> str | None:
        """Follows from http to https, not back."""
        target = super().get_redirect_target(resp)
        if target and urlsplit(resp.url).scheme == "https":
            scheme = urlsplit(urljoin(resp.url, target)).scheme
            if scheme != "https":
                raise MirrorError(f"redirects from https to {scheme}")
        return target


@contextmanager
def open_url(url: str, start: int, data: DataConfig) -> Iterator[Response]:
    """The answer to a request for the file from byte `start` on. What goes wrong with it, here and
    in the body of the `with`, becomes a MirrorError with one line.
    """
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    limits = (data.connect_timeout, data.slow_seconds)
    _check_proxy(url)
    try:
        with (
            _Session() as session,
            session.get(url, headers=headers, stream=True, timeout=limits) as response,
        ):
            if response.status_code == 407:
                raise ProxyError("it wants a user name and a password")
            yield response
    except (requests.exceptions.RequestException, HTTPError, ValueError) as error:
        raise _reason(error, url) from None


def check_certificates() -> None:
    """Raises KlayerError when the user's file of trusted certificates cannot be used."""
    for variable in BUNDLES:
        if path := os.environ.get(variable):
            folder = os.path.isdir(path)
            try:
                ssl.create_default_context(
                    cafile=None if folder else path, capath=path if folder else None
                )
            except OSError as error:
                raise KlayerError(
                    f"{variable}={path} names no usable file of certificates "
                    f"({error.strerror or error}): correct the variable or unset it"
                ) from None
            return


def without_passwords(text: str) -> str:
    """The text without user names and passwords in the addresses in it."""
    return re.sub(r"//\S*@", "//", text)


def _check_proxy(url: str) -> None:
    """Before `requests` sees it, whose errors quote the address and with it the password."""
    if not (proxy := select_proxy(url, get_environ_proxies(url))):
        return
    with suppress(ValueError):  # of what is no address
        address = parse_url(proxy if "://" in proxy else f"http://{proxy}")
        if address.host and re.match("http|socks", address.scheme or ""):
            return
    raise ProxyFaultError(f"the proxy in {_proxy_variable(url)} has no valid address")


def _reason(error: Exception, url: str) -> MirrorError:
    root = _root(error)
    cause = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    match error:
        case InvalidSchema():  # SOCKS, without the package for it
            return ProxyFaultError(f"the proxy in {_proxy_variable(url)} is of an unknown kind")
        case ProxyError():
            reason = getattr(root, "strerror", None) or _line(root)
            return ProxyFaultError(f"the proxy in {_proxy_variable(url)} does not work ({reason})")
        case SSLError():
            return MirrorError(f"has no certificate to trust ({_line(root)})")
        case ConnectTimeout():
            return MirrorError("cannot be reached in time")
        case Timeout() | ReadTimeoutError():
            return TooSlowError("stalls")
    if isinstance(cause, NameResolutionError):
        return MirrorError("its host has no name in the network")
    return MirrorError(f"breaks off ({_line(root)})")


def _proxy_variable(url: str) -> str:
    """The name of the variable; the address in it may hold a password."""
    names = (f"{urlsplit(url).scheme}_proxy", "all_proxy")
    either = (n for name in names for n in (name, name.upper()))
    return next((name for name in either if os.environ.get(name)), "the system's settings")


def _root(error: BaseException) -> BaseException:
    """The innermost error."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _line(error: BaseException) -> str:
    """The error in words, in one line that can be printed."""
    text = " ".join(str(error).split())[:200]
    return "".join(filter(str.isprintable, text)) or type(error).__name__
