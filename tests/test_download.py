"""The download stage against local mirrors with every fault, and copies on this machine."""

import hashlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from klayer import params
from klayer.data import mirrors, synthetic
from klayer.data.sources import ARCHIVE
from klayer.errors import KlayerError
from klayer.stages import download

CONTENT = bytes(range(256)) * 2000  # 512 kB that stand for the archive
DATA = params.read(Path(__file__).parents[1] / "params.yaml")["data"]
# Made for this test alone, signed by nobody.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcVsXMeDuE7Ic/z6O
9IPMcGZPBBCz8orI34dzshGCuO6hRANCAAShde8NDFJCJ8BDmaPBN5CpkvMWahYh
NcyDNSy1P8OcwcIGWazMd3ZP4KSStJV/Be8KwR9c8YM1Sl4+7MBGj6SV
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBkDCCATagAwIBAgIUfEqlF1P0EU1clwNYK+NvebiC3ycwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMzA3MzE0NVoYDzIxMjYxMDMw
MDczMTQ1WjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAShde8NDFJCJ8BDmaPBN5CpkvMWahYhNcyDNSy1P8OcwcIGWazMd3ZP
4KSStJV/Be8KwR9c8YM1Sl4+7MBGj6SVo2QwYjAdBgNVHQ4EFgQUWHRxaTbnKBpV
90vnuFNYaTWCzzwwHwYDVR0jBBgwFoAUWHRxaTbnKBpV90vnuFNYaTWCzzwwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0gAMEUC
IDlfA2sfaF5h5BlqVddMOQS/Y72QZrUf+HPdVypM/mioAiEA0pkj2fP6fcg/dFc7
jneYArhAQrH/tiLK9H7JvxGXCeM=
-----END CERTIFICATE-----
"""
Handler = Callable[[socket.socket, str], None]


class Mirror:
    """A server on this machine that answers each connection by a function."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None) -> None:
        self.handler, self.context = handler, context
        self.requests: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}/archive.tar.gz"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                request = connection.recv(10_000).decode()
                self.requests.append(request)
                self.handler(connection, request)
        except OSError:
            pass  # the client has gone


Start = Callable[..., Mirror]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Mirror] = []

    def begin(handler: Handler, context: ssl.SSLContext | None = None) -> Mirror:
        started.append(Mirror(handler, context))
        return started[-1]

    yield begin
    for mirror in started:
        mirror.listener.close()


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes an empty project and home; the function writes its params.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable in ("CIFAR10_ARCHIVE", "KERAS_HOME"):
        monkeypatch.delenv(variable, raising=False)

    def write(*urls: str, **changes: object) -> None:
        archives = {"known": hashlib.sha256(CONTENT).hexdigest()}
        limits = {"slow_seconds": 0.2, "slow_rate": 0, "connect_timeout": 1.0}
        data = DATA | {"archives": archives, "mirrors": urls} | limits | changes
        Path("params.yaml").write_text(json.dumps({"data": data}).replace("NaN", ".nan"))

    write()
    return write


def head(status: str = "200 OK", **fields: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *lines, "", ""]).encode()


def fixed(*parts: bytes) -> Handler:
    """Answers with these bytes, whatever is asked."""

    def answer(connection: socket.socket, _: str) -> None:
        for part in parts:
            connection.sendall(part)

    return answer


def good(connection: socket.socket, request: str) -> None:
    """A whole server: it resumes where it is asked to."""
    begin = first_byte(request)
    part = CONTENT[begin:]
    if begin:
        place = f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}"
        fields = {"Content_Length": len(part), "Content_Range": place}
        connection.sendall(head("206 Partial Content", **fields) + part)
    else:
        connection.sendall(head(Content_Length=len(part)) + part)


def first_byte(request: str) -> int:
    _, found, rest = request.partition("Range: bytes=")
    return int(rest.partition("-")[0]) if found else 0


def loop(connection: socket.socket, request: str) -> None:
    connection.sendall(head("302 Found", Location=request.split()[1], Content_Length=0))


def cut(connection: socket.socket, request: str) -> None:
    connection.sendall(head(Content_Length=len(CONTENT)) + CONTENT[: len(CONTENT) // 2])


def reset(connection: socket.socket, request: str) -> None:
    cut(connection, request)
    time.sleep(0.05)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stall(connection: socket.socket, request: str) -> None:
    cut(connection, request)
    time.sleep(1)


def silent(connection: socket.socket, _: str) -> None:
    time.sleep(1)


def endless(connection: socket.socket, _: str) -> None:
    connection.sendall(head())
    while True:
        connection.sendall(CONTENT)


def chunked(connection: socket.socket, _: str) -> None:
    connection.sendall(head(Transfer_Encoding="chunked") + b"10000\r\n" + bytes(0x10000))


def drip(connection: socket.socket, _: str) -> None:
    """Sends all, in half a second."""
    connection.sendall(head(Content_Length=len(CONTENT)))
    for position in range(0, len(CONTENT), len(CONTENT) // 10):
        time.sleep(0.05)
        connection.sendall(CONTENT[position : position + len(CONTENT) // 10])


FAULTS: dict[str, tuple[Handler, str]] = {
    "not found": (fixed(head("404 Not Found")), "status 404"),
    "broken": (fixed(head("500 Internal Server Error")), "status 500"),
    "busy": (fixed(head("429 Too Many Requests", Retry_After=9)), "status 429"),
    "redirect loop": (loop, "redirects more than 5 times"),
    "other scheme": (fixed(head("302 Found", Location="ftp://a/b")), "another scheme, 'ftp://a/b'"),
    "file": (fixed(head("302 Found", Location="file:///etc/passwd")), "another scheme"),
    "redirect nowhere": (fixed(head("302 Found", Location="http://[")), "breaks off"),
    "web page": (fixed(head(Content_Type="text/html; charset=utf-8"), CONTENT), "web page"),
    "cut short": (cut, "breaks off (IncompleteRead(256000 bytes read, 256000 more expected))"),
    "cut chunk": (chunked, "breaks off"),
    "nothing": (fixed(), "breaks off (Remote end closed connection without response)"),
    "not HTTP": (fixed(b"\x1b[2J\r\n\r\n"), "breaks off ([2J)"),
    "more than announced": (fixed(head(Content_Length=1000), CONTENT), "another file"),
    "more than possible": (fixed(head(Content_Length=10**10)), "announces 10,000,000,000 bytes"),
    "endless": (endless, "sends more bytes"),
    "wrong bytes": (
        fixed(head(), CONTENT[::-1]),
        f"another file (SHA-256 {hashlib.sha256(CONTENT[::-1]).hexdigest()})",
    ),
    "reset": (reset, "breaks off"),
    "stall": (stall, "stalls"),
    "silence": (silent, "stalls"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_leaves_a_mirror_for_the_next(
    fault: str,
    start: Start,
    configure: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mirrors, "LARGEST_ARCHIVE", 2_000_000)
    handler, reason = FAULTS[fault]
    faulty = start(handler)
    configure(faulty.url)
    with pytest.raises(KlayerError) as error:
        download.run()
    assert any(faulty.url in line and reason in line for line in str(error.value).splitlines())
    assert not ARCHIVE.exists()
    capsys.readouterr()
    configure(faulty.url, start(good).url)
    download.run()
    lines = [line for line in capsys.readouterr().out.splitlines() if f"{faulty.url}: " in line]
    assert len(lines) == 1
    assert reason.split(" (")[0] in lines[0]
    assert ARCHIVE.read_bytes() == CONTENT
    assert not list(Path("data").rglob("*.partial"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://mirror.invalid/a", "its host has no name in the network"),
        ("http://127.0.0.1:1/a", "refused"),
    ],
)
def test_leaves_an_absent_host(
    url: str,
    reason: str,
    start: Start,
    configure: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(url, start(good).url)
    download.run()
    assert f"{url}: " in (out := capsys.readouterr().out)
    assert reason in out
    assert ARCHIVE.read_bytes() == CONTENT


def test_gives_a_host_up_that_does_not_answer_in_time(
    start: Start, configure: Callable[..., None]
) -> None:
    configure(start(silent).url, connect_timeout=0.1, slow_seconds=1.0)
    with pytest.raises(KlayerError, match=r"does not answer within 0\.1 s"):
        download.run()


def test_refuses_a_bad_certificate(
    start: Start, configure: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "certificate.pem").write_text(CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem")
    configure(start(good, context).url)
    with pytest.raises(KlayerError, match="has no certificate to trust"):
        download.run()


def test_refuses_to_go_from_https_to_http(
    start: Start, configure: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "certificate.pem").write_text(CERTIFICATE)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem")
    plain = start(good)
    configure(start(fixed(head("301 Moved", Location=plain.url)), context).url)
    with pytest.raises(KlayerError, match="redirects to another scheme, 'http://"):
        download.run()
    assert not plain.requests
    configure(start(good, context).url)
    download.run()
    assert ARCHIVE.read_bytes() == CONTENT


def test_follows_a_redirect(start: Start, configure: Callable[..., None]) -> None:
    configure(start(fixed(head("301 Moved", Location=start(good).url))).url)
    download.run()
    assert ARCHIVE.read_bytes() == CONTENT


def test_leaves_a_slow_mirror(
    start: Start, configure: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    slow = start(drip)
    configure(slow.url, start(good).url, slow_rate=1e6)
    download.run()
    assert f"{slow.url}: is slow: " in capsys.readouterr().out
    assert len(slow.requests) == 1
    assert ARCHIVE.read_bytes() == CONTENT


def test_shows_plain_lines_where_there_is_no_terminal(
    start: Start,
    configure: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mirrors, "LINE_EVERY", 0.0)
    configure(start(good).url)
    download.run()
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "  1 of 1 MB"
    assert not any("\r" in line for line in lines)


def test_waits_for_a_slow_mirror_in_the_end(start: Start, configure: Callable[..., None]) -> None:
    slow, absent = start(drip), start(FAULTS["not found"][0])
    configure(slow.url, absent.url, slow_rate=1e6)
    download.run()
    assert (len(slow.requests), len(absent.requests)) == (2, 1)
    assert ARCHIVE.read_bytes() == CONTENT


def test_waits_while_anything_arrives(start: Start, configure: Callable[..., None]) -> None:
    """A mirror that stalls after each 150 kB is resumed until it is done."""

    def hesitant(connection: socket.socket, request: str) -> None:
        begin = first_byte(request)
        place = f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}"
        status = "206 Partial Content" if begin else "200 OK"
        fields = {"Content_Length": len(CONTENT) - begin, "Content_Range": place}
        connection.sendall(head(status, **fields) + CONTENT[begin : begin + 150_000])
        time.sleep(0.5 if begin + 150_000 < len(CONTENT) else 0)

    mirror = start(hesitant)
    configure(mirror.url)
    download.run()
    assert [first_byte(r) for r in mirror.requests] == [0, 150_000, 300_000, 450_000]
    assert ARCHIVE.read_bytes() == CONTENT


def stale(connection: socket.socket, request: str) -> None:
    """Resumes at another byte than it is asked for."""
    begin = first_byte(request)
    fields = {"Content_Range": "bytes 0-1/2", "Content_Length": 2}
    answer = head("206 Partial Content", **fields) + b"no" if begin else head() + CONTENT
    connection.sendall(answer)


def unsatisfied(connection: socket.socket, request: str) -> None:
    connection.sendall(head("416 No") if first_byte(request) else head() + CONTENT)


@pytest.mark.parametrize(
    ("then", "asked"),
    [
        (good, [256_000]),
        (fixed(head(Content_Length=len(CONTENT)), CONTENT), [256_000]),
        (stale, [256_000, 0]),
        (unsatisfied, [256_000, 0]),
    ],
    ids=["resumes", "starts again", "resumes elsewhere", "cannot resume"],
)
def test_resumes(
    then: Handler, asked: list[int], start: Start, configure: Callable[..., None]
) -> None:
    mirror = start(cut)
    configure(mirror.url)
    with pytest.raises(KlayerError, match="breaks off"):
        download.run()
    assert not ARCHIVE.exists()
    mirror.handler = then
    download.run()
    assert [first_byte(request) for request in mirror.requests[1:]] == asked
    assert ARCHIVE.read_bytes() == CONTENT


def test_starts_again_when_the_file_has_changed(
    start: Start, configure: Callable[..., None]
) -> None:
    mirror = start(fixed(head(Content_Length=len(CONTENT)), bytes(1000)))
    configure(mirror.url)
    with pytest.raises(KlayerError):
        download.run()
    mirror.handler = good
    download.run()
    assert [first_byte(request) for request in mirror.requests] == [0, 1000, 0]
    assert ARCHIVE.read_bytes() == CONTENT


def test_takes_a_finished_download_that_was_killed_before_its_end(
    start: Start, configure: Callable[..., None]
) -> None:
    mirror = start(cut)
    configure(mirror.url)
    with pytest.raises(KlayerError):
        download.run()
    (unfinished,) = Path("data").rglob("*.partial")
    unfinished.write_bytes(CONTENT)
    download.run()
    assert len(mirror.requests) == 1
    assert ARCHIVE.read_bytes() == CONTENT


def test_a_full_disk_is_no_fault_of_the_mirror(
    start: Start, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mirrors._Progress, "add", full)
    configure(start(good).url)
    with pytest.raises(KlayerError, match=r"cannot write data/archive\.tar: No space left"):
        download.run()


def test_says_both_ways_out(configure: Callable[..., None]) -> None:
    configure("http://mirror.invalid/a")
    with pytest.raises(KlayerError) as error:
        download.run()
    assert "CIFAR10_ARCHIVE=" in str(error.value)
    assert "dvc exp run -S data.source=synthetic" in str(error.value)
    assert ".keras/datasets/cifar-10-batches-py.tar.gz" in str(error.value)


def test_named_archive_comes_first(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = tmp_path / "named.tar"
    named.write_bytes(CONTENT)
    monkeypatch.setenv("CIFAR10_ARCHIVE", str(named))
    download.run()
    assert ARCHIVE.read_bytes() == CONTENT
    assert ARCHIVE.stat().st_ino != named.stat().st_ino


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.tar", "no such file"),
        (".", "no such file"),
        ("unknown.tar", hashlib.sha256(b"unknown").hexdigest()),
        ("large.tar", "has 300,000,000 bytes"),
    ],
)
def test_an_error_of_the_named_archive_is_final(
    name: str,
    reason: str,
    configure: Callable[..., None],
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("unknown.tar").write_bytes(b"unknown")
    with Path("large.tar").open("wb") as file:
        file.truncate(300_000_000)
    mirror = start(good)
    configure(mirror.url)
    monkeypatch.setenv("CIFAR10_ARCHIVE", name)
    with pytest.raises(KlayerError, match=reason) as error:
        download.run()
    assert name in str(error.value)
    assert not mirror.requests
    assert not ARCHIVE.exists()


@pytest.mark.parametrize(
    "copy",
    [
        "home/.keras/datasets/cifar-10-batches-py.tar.gz",
        "home/.keras/datasets/cifar-10-python.tar.gz",
        "elsewhere/datasets/cifar-10-batches-py.tar.gz",
        "data/cifar-10-python.tar.gz",
    ],
)
def test_takes_copies_of_others(
    copy: str, configure: Callable[..., None], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    if copy.startswith("elsewhere"):
        monkeypatch.setenv("KERAS_HOME", "elsewhere")
    Path(copy).parent.mkdir(parents=True)
    Path(copy).write_bytes(CONTENT)
    mirror = start(good)
    configure(mirror.url)
    download.run()
    assert not mirror.requests
    assert ARCHIVE.read_bytes() == CONTENT


def test_passes_over_an_unknown_copy(
    configure: Callable[..., None], start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data").mkdir()
    Path("data/cifar-10-python.tar.gz").write_bytes(b"unknown")
    configure(start(good).url)
    download.run()
    assert "data/cifar-10-python.tar.gz: has the SHA-256" in capsys.readouterr().out
    assert ARCHIVE.read_bytes() == CONTENT


def test_makes_synthetic_images_when_told_to(
    configure: Callable[..., None], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "BATCH", 20)
    mirror = start(good)
    configure(mirror.url, source="synthetic", synthetic_seed=3)
    download.run()
    synthetic.write_archive(Path("expected.tar"), 3)
    assert ARCHIVE.read_bytes() == Path("expected.tar").read_bytes()
    assert not mirror.requests


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("source", "imagenet"),
        ("archives", {}),
        ("archives", {"synthetic": "0" * 64}),
        ("archives", {"my archive": "0" * 64}),
        ("archives", {"mine": "0" * 63}),
        ("archives", {"mine": 5}),
        ("mirrors", ["ftp://host/a"]),
        ("mirrors", ["https://"]),
        ("mirrors", ["http://["]),
        ("mirrors", "https://host/a"),
        ("connect_timeout", 0),
        ("slow_rate", -1),
        ("slow_rate", float("nan")),
        ("slow_seconds", "20"),
        ("synthetic_seed", 1.5),
        ("validation", 0),
        ("validation", 10_001),
        ("validation", True),
    ],
)
def test_refuses_parameters(key: str, value: object, configure: Callable[..., None]) -> None:
    configure(**{key: value})
    with pytest.raises(KlayerError, match=rf"^params\.yaml: data\.{key}\b"):
        download.run()
