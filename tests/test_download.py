"""The download stage: mirrors with faults, copies on this machine, synthetic images."""

import hashlib
import io
import os
import re
import shutil
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import write_data_settings
from klayer import params
from klayer.data.archive import FILES, FOLDER
from klayer.errors import KlayerError
from klayer.stages import download
from klayer.stages.download import NoArchiveError

FILE = {name: hashlib.sha256(name.encode()).digest() * 2000 for name in FILES}
LINES = [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in FILE.items()]
DATA = params.read(Path(__file__).parents[1] / "params.yaml")["data"]


def packed() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in FILE.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


CONTENT = packed()
HALF = CONTENT[: len(CONTENT) // 2]


class Mirror(BaseHTTPRequestHandler):
    """Answers by the path: a file, a status, or a fault."""

    def do_GET(self) -> None:
        name = self.path.strip("/")
        status = {"redirect": 302, "loop": 302, "404": 404, "503": 503}.get(name, 200)
        body = {"page": b"<html>", "short": HALF, "cut": HALF, "stall": HALF, "long": CONTENT * 9}
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/loop" if name == "loop" else "/good")
        if name in ("cut", "stall"):
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(body.get(name, CONTENT))
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
    data = DATA | {"sha256": LINES, "mirrors": urls, "timeout": 0.3} | changes
    write_data_settings(data)


def write_folder(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, content in FILE.items():
        (folder / name).write_bytes(content)


def assert_taken() -> None:
    """All that is left are the seven files."""
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == FILE
    assert [path for path in Path("data").iterdir() if path.name.startswith(".")] == []


FAULTS = {
    "/404": "status 404",
    "/503": "status 503",
    "/loop": "TooManyRedirects",
    "/page": "it is damaged, or no .tar, .tar.gz or .zip archive (ReadError)",
    "/short": "it is damaged, or no .tar, .tar.gz or .zip archive (EOFError)",
    "/cut": "ChunkedEncodingError",
    "/stall": "ConnectionError",
    "/long": "sends more bytes than the archive can have",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mirror_that_fails_is_skipped_with_one_line(
    fault: str, mirror: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LARGEST_ARCHIVE", 2 * len(CONTENT))
    write_data(mirror + fault)
    with pytest.raises(NoArchiveError):
        download.run()
    assert os.listdir("data") == ["settings"]
    write_data(mirror + fault, mirror + "/redirect")
    capsys.readouterr()
    download.run()
    lines = capsys.readouterr().out.splitlines()[1:]
    assert lines == [f"127.0.0.1: {FAULTS[fault]}", "127.0.0.1 has CIFAR-10"]
    assert_taken()


@pytest.mark.parametrize("proxy", ["127.0.0.1:1", "no.invalid:80", "a:port", "a#b@c:1"])
def test_what_is_not_reached_is_told_without_a_password(
    proxy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:secret@{proxy}")
    write_data("http://you:secret@one.invalid/a", "http://you:secret@two.invalid/a")
    with pytest.raises(NoArchiveError) as error:
        download.run()
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"\w+$", "CLASS", line) for line in lines[1:]] == [
        "one.invalid: CLASS",
        "two.invalid: CLASS",
    ]
    assert "secret" not in f"{lines}{error.value}"


def test_a_full_disk_is_no_fault_of_the_mirror(
    mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    write_data(mirror + "/good", mirror + "/good")
    with pytest.raises(OSError, match="No space left"):
        download.run()


def test_without_any_source_both_ways_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NoArchiveError, match=r"CIFAR10_ARCHIVE=.*=synthetic") as error:
        download.run()
    assert error.value.exit_status == 3  # tools/repro.sh waits for it
    assert "home/.keras/datasets" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["named.tar.gz", "named", "parent", "~/named"])
def test_a_named_copy_comes_first(name: str, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("named.tar.gz").write_bytes(CONTENT)
    for folder in ("named", "parent/cifar-10-batches-py", "home/named"):
        write_folder(Path(folder))
    write_data(mirror + "/404")
    monkeypatch.setenv("CIFAR10_ARCHIVE", name)
    download.run()
    assert_taken()
    assert len(os.listdir("named")) == 7


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.tar", "there is no such file or folder"),
        ("home", "it has no file of CIFAR-10"),
        ("cut.tar.gz", "it is damaged"),
        ("changed", f"its test_batch has .*{hashlib.sha256(b'changed').hexdigest()}"),
    ],
)
def test_an_error_of_the_named_copy_is_final(
    name: str, reason: str, mirror: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("home").mkdir()
    Path("cut.tar.gz").write_bytes(HALF)
    write_folder(Path("changed"))
    Path("changed/test_batch").write_bytes(b"changed")
    write_data(mirror + "/good")
    monkeypatch.setenv("CIFAR10_ARCHIVE", name)
    with pytest.raises(KlayerError, match=f"^CIFAR10_ARCHIVE={tmp_path / name}: {reason}") as error:
        download.run()
    assert error.value.exit_status == 1
    assert not FOLDER.exists()


COPIES = [
    "home/.keras/datasets/cifar-10-batches-py.tar.gz",
    "home/.keras/datasets/cifar-10-batches-py",
    "home/.keras/datasets/cifar-10-batches-py-target/cifar-10-batches-py",
    "home/.keras/datasets/cifar-10-batches-py-target_archive",
    "home/elsewhere/datasets/cifar-10-batches-py.tar.gz",
    "data/cifar-10-python.tar.gz",
    "data/cifar-10-batches-py",
]


@pytest.mark.parametrize("copy", COPIES)
def test_takes_copies_of_others(copy: str, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "elsewhere" in copy:
        monkeypatch.setenv("KERAS_HOME", "~/elsewhere")
    if copy.endswith("-py"):
        write_folder(Path(copy))
    else:
        Path(copy).parent.mkdir(parents=True, exist_ok=True)
        Path(copy).write_bytes(CONTENT)
    write_data(mirror + "/404")
    download.run()
    assert_taken()


def test_an_unsound_copy_is_skipped(mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/cifar-10-python.tar.gz").write_bytes(HALF)
    write_data(mirror + "/good")
    download.run()
    assert "data/cifar-10-python.tar.gz: it is damaged" in capsys.readouterr().out
    assert_taken()


def test_a_failure_leaves_the_files_of_before() -> None:
    write_folder(FOLDER)
    (FOLDER / "test_batch").write_bytes(b"other")
    with pytest.raises(NoArchiveError):
        download.run()
    assert (FOLDER / "test_batch").read_bytes() == b"other"


@pytest.mark.parametrize("name", ["", "copies/named.tar.gz", "copies"])
def test_an_experiment_in_a_folder_of_its_own_finds_the_files_of_its_project(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dvc exp run --temp` runs a stage there."""
    write_folder(Path("copies/cifar-10-batches-py") if name else FOLDER)
    if name.endswith("gz"):
        Path(name).write_bytes(CONTENT)
    folder = Path(".dvc/tmp/exps/standalone/tmpabc")
    folder.mkdir(parents=True)
    shutil.copytree("data/settings", folder / "data/settings")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CIFAR10_ARCHIVE", name)
    download.run()
    assert_taken()


def test_synthetic_images_leave_real_ones_alone(mirror: str) -> None:
    write_data(mirror + "/404", source="synthetic")
    download.run()
    assert os.listdir(FOLDER) == []  # DVC asks for the folder
    FOLDER.rmdir()
    write_folder(FOLDER)
    download.run()
    assert_taken()
