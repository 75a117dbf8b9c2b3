"""The download stage against local mirrors with every fault, and copies on this machine."""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import socket
import ssl
import struct
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from klayer import params
from klayer.data import mirrors, synthetic
from klayer.data.archive import FILES, FOLDER
from klayer.data.connection import without_passwords
from klayer.errors import KlayerError
from klayer.stages import download
from klayer.stages.download import NoArchiveError

BATCHES = {name: hashlib.sha256(name.encode()).digest() * 2000 for name in FILES}
LINES = [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in BATCHES.items()]
DATA = params.read(Path(__file__).parents[1] / "params.yaml")["data"]


def packed() -> bytes:
    """An archive of the seven small files; compressed, they are no smaller."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in BATCHES.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(file.getvalue(), 0)


CONTENT = packed()  # 460 kB
HALF = len(CONTENT) // 2
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
    for variable in os.environ:
        if re.search("CIFAR10|KERAS|proxy|CA_BUNDLE", variable, re.IGNORECASE):
            monkeypatch.delenv(variable)

    def write(*urls: str, **changes: object) -> None:
        limits = {"slow_seconds": 0.2, "slow_rate": 0, "connect_timeout": 1.0}
        data = DATA | {"sha256": LINES, "mirrors": urls} | limits | changes
        Path("params.yaml").write_text(json.dumps({"data": data}).replace("NaN", ".nan"))

    write()
    return write


def assert_taken() -> None:
    """All that is left are the seven files."""
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == BATCHES
    assert not list(Path("data").rglob("*.partial"))


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
    connection.sendall(head(Content_Length=len(CONTENT)) + CONTENT[:HALF])


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


def other() -> bytes:
    return CONTENT.replace(b"data_batch_5", b"data_batch_6")


FAULTS: dict[str, tuple[Handler, str]] = {
    "not found": (fixed(head("404 Not Found")), "status 404"),
    "broken": (fixed(head("500 Internal Server Error")), "status 500"),
    "busy": (fixed(head("429 Too Many Requests", Retry_After=9)), "status 429"),
    "redirect loop": (loop, "breaks off (Exceeded 30 redirects.)"),
    "redirect nowhere": (fixed(head("302 Found", Location="http://[")), "breaks off"),
    "web page": (fixed(head(Content_Type="text/html; charset=utf-8"), CONTENT), "web page"),
    "cut short": (cut, f"breaks off (IncompleteRead({HALF} bytes read, "),
    "cut chunk": (chunked, "breaks off"),
    "nothing": (fixed(), "breaks off (Remote end closed connection without response)"),
    "not HTTP": (fixed(b"\x1b[2J\r\n\r\n"), "breaks off ([2J)"),
    "less than announced": (fixed(head(Content_Length=1000), CONTENT), "another file: it is a dam"),
    "endless": (endless, "sends more bytes"),
    "wrong bytes": (fixed(head(), CONTENT[::-1]), "another file: it is a damaged or truncated arc"),
    "other files": (fixed(head(), other()), "another file: it has no data_batch_5"),
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
    monkeypatch.setattr(mirrors, "LARGEST_ARCHIVE", 1_500_000)
    handler, reason = FAULTS[fault]
    faulty = start(handler)
    configure(faulty.url)
    with pytest.raises(NoArchiveError) as error:
        download.run()
    assert any(faulty.url in line and reason in line for line in str(error.value).splitlines())
    assert not FOLDER.exists()
    capsys.readouterr()
    configure(faulty.url, start(good).url)
    download.run()
    lines = [line for line in capsys.readouterr().out.splitlines() if f"{faulty.url}: " in line]
    assert len(lines) == 1
    assert reason.split(" (")[0] in lines[0]
    assert_taken()


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
    assert_taken()


@pytest.fixture
def certified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], ssl.SSLContext]:
    """What a server needs for this host name, of an authority that is trusted here."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))

    def make(host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(context)
        return context

    return make


@pytest.fixture
def secure(configure: Callable[..., None], certified: Callable[..., Any]) -> Callable[..., Any]:
    """`certified`, whose settings come after those of `configure`."""
    return certified


def test_takes_a_certificate_of_a_trusted_authority(
    start: Start, configure: Callable[..., None], secure: Callable[..., Any]
) -> None:
    configure(start(good, secure("127.0.0.1")).url)
    download.run()
    assert_taken()


@pytest.mark.parametrize("fault", ["other host", "unknown authority"])
def test_refuses_a_bad_certificate(
    fault: str,
    start: Start,
    configure: Callable[..., None],
    secure: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fault == "unknown authority":
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    configure(start(good, secure("other.test" if fault == "other host" else "127.0.0.1")).url)
    with pytest.raises(NoArchiveError, match="has no certificate to trust"):
        download.run()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_says_that_the_file_of_certificates_is_wrong(
    variable: str,
    content: bytes | None,
    configure: Callable[..., None],
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if content is not None:
        Path("bundle.pem").write_bytes(content)
    monkeypatch.setenv(variable, "bundle.pem")
    configure(start(good).url.replace("http:", "https:"))
    with pytest.raises(KlayerError, match=f"^{variable}=bundle.pem names no usable file") as error:
        download.run()
    assert error.value.exit_status == 1


def test_refuses_to_go_from_https_to_http(
    start: Start, configure: Callable[..., None], secure: Callable[..., Any]
) -> None:
    plain = start(good)
    configure(start(fixed(head("301 Moved", Location=plain.url)), secure("127.0.0.1")).url)
    with pytest.raises(NoArchiveError, match="redirects from https to http\n"):
        download.run()
    assert not plain.requests


def test_goes_from_http_to_https(
    start: Start, configure: Callable[..., None], secure: Callable[..., Any]
) -> None:
    target = start(good, secure("127.0.0.1"))
    configure(start(fixed(head("301 Moved", Location=target.url))).url)
    download.run()
    assert_taken()


PROXIES: dict[str, tuple[Handler | str, str]] = {
    "dead": ("http://me:secret@127.0.0.1:1", "does not work (Connection refused)"),
    "no such host": ("http://me:secret@proxy.invalid:80", "does not work ("),
    "password wanted": (fixed(head("407 Proxy Authentication Required")), "does not work ("),
    "socks": ("socks5://me:secret@127.0.0.1:1", "is of an unknown kind"),
    "unknown scheme": ("gopher://me:secret@127.0.0.1:1", "has no valid address"),
    "no address": ("http://me:secret@", "has no valid address"),
    "odd password": ("http://me:secr#et@127.0.0.1:1", "has no valid address"),
    "odd port": ("http://me:secret@127.0.0.1:port", "has no valid address"),
}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("fault", PROXIES)
def test_tells_the_fault_of_a_proxy_once_and_without_its_password(
    fault: str,
    scheme: str,
    configure: Callable[..., None],
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    proxy, reason = PROXIES[fault]
    if not isinstance(proxy, str):
        proxy = start(proxy).url.replace("//", "//me:secret@").removesuffix("/archive.tar.gz")
    monkeypatch.setenv(f"{scheme}_proxy", proxy)
    configure(f"{scheme}://one.test/a", f"{scheme}://two.test/a")
    with pytest.raises(NoArchiveError) as error:
        download.run()
    captured = capsys.readouterr()
    told = str(error.value) + captured.out + captured.err
    assert "secr" not in told
    lines = [line for line in str(error.value).splitlines() if "proxy" in line]
    assert len(lines) == 1
    assert f"the proxy in {scheme}_proxy {reason}" in lines[0]
    assert "unset" in lines[0]


def test_never_prints_a_password() -> None:
    text = "at https://me:p@ss/word@host/a, and http://you@host/b; http://host/c"
    assert without_passwords(text) == "at https://host/a, and http://host/b; http://host/c"


def test_follows_a_redirect(start: Start, configure: Callable[..., None]) -> None:
    target = start(good)
    configure(start(fixed(head("301 Moved", Location=target.url))).url)
    download.run()
    assert_taken()


def test_leaves_a_slow_mirror(
    start: Start, configure: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    slow = start(drip)
    configure(slow.url, start(good).url, slow_rate=1e6)
    download.run()
    assert f"{slow.url}: is slow: " in capsys.readouterr().out
    assert len(slow.requests) == 1
    assert_taken()


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
    assert lines[-1] == "  0 of 0 MB"
    assert not any("\r" in line for line in lines)


def test_waits_for_a_slow_mirror_in_the_end(start: Start, configure: Callable[..., None]) -> None:
    slow, absent = start(drip), start(FAULTS["not found"][0])
    configure(slow.url, absent.url, slow_rate=1e6)
    download.run()
    assert (len(slow.requests), len(absent.requests)) == (2, 1)
    assert_taken()


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
    assert_taken()


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
        (good, [HALF]),
        (fixed(head(Content_Length=len(CONTENT)), CONTENT), [HALF]),
        (stale, [HALF, 0]),
        (unsatisfied, [HALF, 0]),
    ],
    ids=["resumes", "starts again", "resumes elsewhere", "cannot resume"],
)
def test_resumes(
    then: Handler, asked: list[int], start: Start, configure: Callable[..., None]
) -> None:
    mirror = start(cut)
    configure(mirror.url)
    with pytest.raises(NoArchiveError, match="breaks off"):
        download.run()
    assert not FOLDER.exists()
    mirror.handler = then
    download.run()
    assert [first_byte(request) for request in mirror.requests[1:]] == asked
    assert_taken()


@pytest.mark.parametrize("loaded", [bytes(1000), bytes(2 * len(CONTENT))], ids=["less", "more"])
def test_starts_again_when_the_file_has_changed(
    loaded: bytes, start: Start, configure: Callable[..., None]
) -> None:
    mirror = start(cut)
    configure(mirror.url)
    with pytest.raises(NoArchiveError):
        download.run()
    (unfinished,) = Path("data").rglob("*.partial")
    unfinished.write_bytes(loaded)
    mirror.handler = whole
    download.run()
    assert [first_byte(request) for request in mirror.requests] == [0, len(loaded), 0]
    assert_taken()


def whole(connection: socket.socket, request: str) -> None:
    """Like `good`; nothing is left after the last byte."""
    if first_byte(request) >= len(CONTENT):
        connection.sendall(head("416 Range Not Satisfiable"))
    else:
        good(connection, request)


def test_takes_a_finished_download_that_was_killed_before_its_end(
    start: Start, configure: Callable[..., None]
) -> None:
    mirror = start(cut)
    configure(mirror.url)
    with pytest.raises(NoArchiveError):
        download.run()
    (unfinished,) = Path("data").rglob("*.partial")
    unfinished.write_bytes(CONTENT)
    mirror.handler = whole
    download.run()
    assert [first_byte(request) for request in mirror.requests] == [0, len(CONTENT)]
    assert_taken()


def test_a_full_disk_is_no_fault_of_the_mirror(
    start: Start, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mirrors._Progress, "add", full)
    configure(start(good).url)
    with pytest.raises(KlayerError, match=r"cannot write data/\.download/.*: No space left"):
        download.run()


def test_leftovers_of_another_user_are_named(
    start: Start, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "open", ".download")
    configure(start(good).url)
    with pytest.raises(KlayerError, match=r"cannot write data/\.download/.*: Permission denied"):
        download.run()


def refuse(monkeypatch: pytest.MonkeyPatch, method: str, part: str) -> None:
    """Makes a method of paths fail where the path has this part, as for another user."""
    works = getattr(Path, method)

    def call(path: Path, *arguments: object, **more: object) -> object:
        if part in path.parts:
            raise PermissionError(13, "Permission denied")
        return works(path, *arguments, **more)

    monkeypatch.setattr(Path, method, call)


def test_says_both_ways_out(configure: Callable[..., None]) -> None:
    configure("http://mirror.invalid/a")
    with pytest.raises(NoArchiveError) as error:
        download.run()
    assert error.value.exit_status == 3
    assert "CIFAR10_ARCHIVE=" in str(error.value)
    assert "dvc exp run -S data.source=synthetic" in str(error.value)
    assert ".keras/datasets/cifar-10-batches-py.tar.gz" in str(error.value)


def write_folder(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, content in BATCHES.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", ["named.tar", "named", "parent", "~/named"])
def test_named_copy_comes_first(
    name: str, configure: Callable[..., None], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("named.tar").write_bytes(CONTENT)
    write_folder(Path("named"))
    write_folder(Path("parent/cifar-10-batches-py"))
    write_folder(Path("home/named"))
    mirror = start(good)
    configure(mirror.url)
    monkeypatch.setenv("CIFAR10_ARCHIVE", name)
    download.run()
    assert_taken()
    assert not mirror.requests
    assert Path("named.tar").read_bytes() == CONTENT
    assert len(list(Path("named").iterdir())) == 7


def enter_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes to the folder in which `dvc exp run --temp` runs a stage."""
    folder = Path(".dvc/tmp/exps/standalone/tmpabc")
    folder.mkdir(parents=True)
    shutil.copy("params.yaml", folder)
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("name", ["copies/named.tar", "copies"])
def test_a_relative_path_works_in_the_folder_of_an_experiment(
    name: str, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(Path("copies/cifar-10-batches-py"))
    Path("copies/named.tar").write_bytes(CONTENT)
    enter_experiment(monkeypatch)
    monkeypatch.setenv("CIFAR10_ARCHIVE", name)
    download.run()
    assert_taken()


@pytest.mark.parametrize("folder", [FOLDER, Path("data")])
def test_an_experiment_takes_the_files_of_its_project(
    folder: Path, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if folder == FOLDER:
        write_folder(folder)
    else:
        folder.mkdir()
        (folder / "cifar-10-python.tar.gz").write_bytes(CONTENT)
    enter_experiment(monkeypatch)
    download.run()
    assert_taken()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.tar", "there is no such file or folder.*give the whole path"),
        ("home", "it has no batches.meta, data_batch_1"),
        ("web.html", "damaged or truncated archive, or none"),
        ("cut.tar", "damaged or truncated archive"),
        ("other.tar", "it has no data_batch_5"),
        ("changed", f"its test_batch is not.* SHA-256 {hashlib.sha256(b'changed').hexdigest()}"),
    ],
)
def test_an_error_of_the_named_copy_is_final(
    name: str,
    reason: str,
    configure: Callable[..., None],
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    Path("home").mkdir()
    Path("web.html").write_bytes(b"<html>")
    Path("cut.tar").write_bytes(CONTENT[:HALF])
    Path("other.tar").write_bytes(other())
    write_folder(Path("changed"))
    Path("changed/test_batch").write_bytes(b"changed")
    mirror = start(good)
    configure(mirror.url)
    monkeypatch.setenv("CIFAR10_ARCHIVE", name)
    with pytest.raises(KlayerError, match=f"^CIFAR10_ARCHIVE={name}: .*{reason}") as error:
        download.run()
    assert str(tmp_path / name) in str(error.value)
    assert error.value.exit_status == 1
    assert not mirror.requests
    assert not FOLDER.exists()


@pytest.mark.parametrize(
    "copy",
    [
        "home/.keras/datasets/cifar-10-batches-py.tar.gz",
        "home/.keras/datasets/cifar-10-batches-py",
        "home/.keras/datasets/cifar-10-batches-py-target/cifar-10-batches-py",
        "home/.keras/datasets/cifar-10-batches-py-target_archive",
        "home/.keras/datasets/cifar-10-python.tar.gz",
        "home/elsewhere/datasets/cifar-10-batches-py.tar.gz",
        "data/cifar-10-python.tar.gz",
        "data/cifar-10-batches-py",
    ],
)
def test_takes_copies_of_others(
    copy: str, configure: Callable[..., None], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "elsewhere" in copy:
        monkeypatch.setenv("KERAS_HOME", "~/elsewhere")
    if copy.endswith("-py"):
        write_folder(Path(copy))
    else:
        Path(copy).parent.mkdir(parents=True)
        Path(copy).write_bytes(CONTENT)
    mirror = start(good)
    configure(mirror.url)
    download.run()
    assert not mirror.requests
    assert_taken()


def test_passes_over_an_unsound_copy(
    configure: Callable[..., None], start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data").mkdir()
    Path("data/cifar-10-python.tar.gz").write_bytes(other())
    configure(start(good).url)
    download.run()
    assert "data/cifar-10-python.tar.gz: it has no data_batch_5" in capsys.readouterr().out
    assert_taken()


@pytest.mark.parametrize("failing", ["is_dir", "open"])
def test_passes_over_a_home_that_cannot_be_read(
    failing: str,
    configure: Callable[..., None],
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("home/.keras/datasets").mkdir(parents=True)
    Path("home/.keras/datasets/cifar-10-batches-py.tar.gz").write_bytes(CONTENT)
    configure(start(good).url)
    refuse(monkeypatch, failing, ".keras")
    download.run()
    assert "cifar-10-batches-py.tar.gz: it cannot be read" in capsys.readouterr().out
    assert_taken()


def test_makes_synthetic_images_when_told_to(
    configure: Callable[..., None], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "BATCH", 20)
    mirror = start(good)
    configure(mirror.url, source="synthetic", synthetic_seed=3)
    download.run()
    synthetic.write_batches(3, Path("expected"))
    for name in FILES:
        assert (FOLDER / name).read_bytes() == (Path("expected") / name).read_bytes()
    assert not mirror.requests


def test_goes_to_synthetic_images_and_back_without_a_download(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "BATCH", 20)
    write_folder(FOLDER)
    for seed in (1, 2):
        configure(source="synthetic", synthetic_seed=seed)
        download.run()
    configure()
    download.run()
    assert_taken()
    assert os.listdir("data") == [FOLDER.name]


def test_a_failure_leaves_the_files_of_before(configure: Callable[..., None]) -> None:
    write_folder(FOLDER)
    (FOLDER / "test_batch").write_bytes(b"other")
    with pytest.raises(NoArchiveError):
        download.run()
    assert (FOLDER / "test_batch").read_bytes() == b"other"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("source", "imagenet"),
        ("sha256", []),
        ("sha256", LINES[1:]),
        ("sha256", [*LINES, LINES[0]]),
        ("sha256", [*LINES[1:], "0" * 64 + "  other"]),
        ("sha256", [*LINES[1:], "0" * 63 + "  batches.meta"]),
        ("sha256", [*LINES[1:], "0" * 64]),
        ("sha256", [*LINES[1:], 5]),
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
