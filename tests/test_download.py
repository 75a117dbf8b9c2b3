"""The download stage: copies on this machine, mirrors with faults, synthetic images."""

import gzip
import hashlib
import io
import os
import re
import tarfile
import threading
import time
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import write_data_settings
from klayer import params
from klayer.data import cifar10
from klayer.data.cifar10 import FOLDER, MissingFilesError, read
from klayer.errors import KlayerError, NoArchiveError
from klayer.settings import FILES
from klayer.stages import download

FILE = {name: hashlib.sha256(name.encode()).digest() * 2000 for name in FILES}
DIGESTS = {name: hashlib.sha256(content).hexdigest() for name, content in FILE.items()}
DATA = params.read(Path(__file__).parents[1] / "params.yaml")["data"]
Member = tuple[str, bytes, bytes]  # name, content, type in a tar


def tarred(members: Iterable[Member]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


SOUND = [(f"cifar-10-batches-py/{n}", content, tarfile.REGTYPE) for n, content in FILE.items()]
EXTRA = [
    ("../../outside", b"no", tarfile.REGTYPE),
    ("old/data_batch_1", b"another version", tarfile.REGTYPE),
    ("cifar-10-batches-py/data_batch_2", b"", tarfile.SYMTYPE),
]
CONTENT = gzip.compress(tarred([*EXTRA, *SOUND[::-1]]))
HALF = tarred(SOUND)[:200_000]


def write_folder(folder: Path, **others: bytes) -> None:
    folder.mkdir(parents=True)
    for name, content in (FILE | others).items():
        (folder / name).write_bytes(content)


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty project and home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable in os.environ:
        if re.search("CIFAR10|KERAS|proxy|CA_BUNDLE", variable, re.IGNORECASE):
            monkeypatch.delenv(variable)
    write_data()


def write_data(*urls: str, **changes: object) -> None:
    lines = [f"{digest} {name}" for name, digest in DIGESTS.items()]
    write_data_settings(DATA | {"sha256": lines, "mirrors": urls, "timeout": 0.3} | changes)


def assert_taken() -> None:
    """All that is there are the seven files."""
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == FILE
    assert not Path("../outside").exists()


HUGE = bytes(cifar10.LARGEST_FILE + 1)


@pytest.mark.parametrize(
    ("kind", "content"),
    [(tarfile.SYMTYPE, b""), (tarfile.REGTYPE, HUGE), (tarfile.REGTYPE, b"other")],
    ids=["link", "huge", "changed"],
)
def test_refuses_an_archive_without_a_file(kind: bytes, content: bytes) -> None:
    archive = tarred([("batches.meta", content, kind), *SOUND[2:]])
    changed = {} if content == b"other" else {"batches.meta": hashlib.sha256(content).hexdigest()}
    with pytest.raises(MissingFilesError, match=r"has no batches.meta, data_batch_1 with the SHA"):
        read(io.BytesIO(archive), DIGESTS | changed)


class Mirror(BaseHTTPRequestHandler):
    """Answers by the path: a file, a status, or a fault."""

    def do_GET(self) -> None:
        name = self.path.strip("/")
        status = {"redirect": 302, "loop": 302, "404": 404}.get(name, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/loop" if name == "loop" else "/good")
        if name in ("cut", "stall"):
            self.send_header("Content-Length", "400000")
        self.end_headers()
        self.wfile.write({"page": b"<html>", "cut": HALF, "stall": HALF}.get(name, CONTENT))
        if name == "stall":
            time.sleep(0.6)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def mirror() -> Iterator[str]:
    """The address of a server with a user name and a password."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://me:secret@127.0.0.1:{server.server_port}"
        server.shutdown()


FAULTS = {
    "/404": "HTTPError",
    "/loop": "TooManyRedirects",
    "/page": "ReadError",
    "/cut": "ProtocolError",
    "/stall": "ReadTimeoutError",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mirror_that_fails_is_skipped_with_one_line(
    fault: str, mirror: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data(mirror + fault, mirror + "/redirect")
    download.run()
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"127.0.0.1: {FAULTS[fault]}", "127.0.0.1 has CIFAR-10"]
    assert_taken()


def test_without_any_source_both_ways_are_named() -> None:
    with pytest.raises(NoArchiveError, match=r"CIFAR10_ARCHIVE=.*=synthetic") as error:
        download.run()
    assert error.value.exit_status == 3  # tools/repro.sh waits for it


@pytest.mark.parametrize("name", ["named.tar.gz", "parent", "~/named"])
def test_a_named_copy_comes_first(name: str, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("named.tar.gz").write_bytes(CONTENT)
    for folder in ("parent/cifar-10-batches-py", "home/named"):
        write_folder(Path(folder))
    write_data(mirror + "/404")
    monkeypatch.setenv("CIFAR10_ARCHIVE", name)
    download.run()
    assert_taken()
    assert len(os.listdir("home/named")) == 7


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.tar", "FileNotFoundError"),
        ("cut.tar", "ReadError"),
        ("changed", "has no test_batch with the SHA-256 of params.yaml"),
    ],
)
def test_an_error_of_the_named_copy_is_final(
    name: str,
    reason: str,
    mirror: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("cut.tar").write_bytes(HALF)
    write_folder(Path("changed"), test_batch=b"changed")
    write_data(mirror + "/good")
    monkeypatch.setenv("CIFAR10_ARCHIVE", name)
    with pytest.raises(KlayerError, match=f"^CIFAR-10 is not in {name}: name a folder") as error:
        download.run()
    assert capsys.readouterr().out == f"{Path(name).absolute()}: {reason}\n"
    assert error.value.exit_status == 1
    assert not FOLDER.exists()


@pytest.mark.parametrize(
    "copy",
    [
        "home/.keras/datasets/cifar-10-batches-py.tar",
        "home/elsewhere/datasets/cifar-10-batches-py-target/cifar-10-batches-py",
        "data/cifar-10-python.tar.gz",
        "data/cifar-10-batches-py",
    ],
)
def test_takes_copies_of_keras_and_torchvision(
    copy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "elsewhere" in copy:
        monkeypatch.setenv("KERAS_HOME", "~/elsewhere")
    if copy.endswith("-py"):
        write_folder(Path(copy), **{"readme.html": b"of the archive", ".a.partial": b"a killed"})
    else:
        Path(copy).parent.mkdir(parents=True, exist_ok=True)
        Path(copy).write_bytes(CONTENT if copy.endswith(".gz") else tarred(SOUND))
    Path("data/cifar-10-a-cut-one.tar").write_bytes(HALF)
    download.run()
    assert "data/cifar-10-a-cut-one.tar: ReadError\n" in capsys.readouterr().out
    assert_taken()


@pytest.mark.parametrize("name", ["test_batch", "notes.txt"])
def test_other_files_in_the_folder_are_not_replaced(name: str, mirror: str) -> None:
    write_data(mirror + "/good")
    write_folder(FOLDER, **{name: b"the user's own"})
    with pytest.raises(KlayerError, match=f"^{FOLDER} has other files .*: move {name} away"):
        download.run()
    assert (FOLDER / name).read_bytes() == b"the user's own"


def test_synthetic_images_leave_real_ones_alone(mirror: str) -> None:
    write_data(mirror + "/404", source="synthetic")
    download.run()
    assert os.listdir(FOLDER) == []  # DVC asks for the folder
    FOLDER.rmdir()
    write_folder(FOLDER)
    download.run()
    assert_taken()
