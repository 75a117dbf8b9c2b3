"""The seven files taken from folders and archives, and refused when they differ."""

import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from klayer.data.archive import FILES, RefusedError, take
from klayer.params import read

CONTENTS = {name: f"content of {name} ".encode() * 200 for name in FILES}
DIGESTS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
Member = tuple[str, bytes, bytes]  # name, content, type in a tar


def tarred(members: Iterable[Member]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(members: Iterable[Member]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, _ in members:
            archive.writestr(name, content)
    return file.getvalue()


SOUND = [(f"cifar-10-batches-py/{name}", CONTENTS[name], tarfile.REGTYPE) for name in FILES]
EXTRA = [
    ("../../outside", b"no", tarfile.REGTYPE),
    ("cifar-10-batches-py/._data_batch_1", b"of a Mac", tarfile.REGTYPE),
    ("old/data_batch_1", b"another version", tarfile.REGTYPE),
    ("cifar-10-batches-py/data_batch_2", b"", tarfile.SYMTYPE),
    ("cifar-10-batches-py/data_batch_3", b"", tarfile.CHRTYPE),
]
ARCHIVES = {
    "tar": tarred(SOUND),
    "tar.gz": gzip.compress(tarred(SOUND)),
    "zip": zipped(SOUND),
    "no folder": tarred((name, content, tarfile.REGTYPE) for name, content in CONTENTS.items()),
    "more members": tarred([*EXTRA, *SOUND[::-1]]),
    "more members, zip": zipped([*EXTRA[:3], *SOUND]),
}
HUGE = tarfile.TarInfo("data_batch_1")
HUGE.size = 8 << 30
OTHER = [*SOUND[:6], ("test_batch", b"other", tarfile.REGTYPE)]
REFUSED = {
    "nothing": (b"", "it is damaged, or no .tar, .tar.gz or .zip archive"),
    "web page": (b"<html>" * 1000, "it is damaged, or no .tar, .tar.gz or .zip archive"),
    "cut tar": (ARCHIVES["tar"][:9000], "it is damaged"),
    "cut tar.gz": (ARCHIVES["tar.gz"][:-20], "it is damaged"),
    "cut zip": (ARCHIVES["zip"][:-40], "it is damaged"),
    "one missing": (tarred(SOUND[1:]), "it has no batches.meta"),
    "a link": (tarred([*SOUND[1:], ("batches.meta", b"", tarfile.SYMTYPE)]), "no batches.meta"),
    "another file": (tarred(OTHER), "its test_batch has another SHA-256 than params.yaml: d9298a1"),
    "another file, zip": (zipped(OTHER), "its test_batch has another SHA-256 than params.yaml"),
    "huge": (HUGE.tobuf(), "its data_batch_1 has 8,589,934,592 bytes, too many"),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def assert_taken(source: Path) -> None:
    take(source, DIGESTS, Path("out/files"))
    assert {path.name: path.read_bytes() for path in Path("out/files").iterdir()} == CONTENTS
    assert os.listdir("out") == ["files"]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_takes_the_files_from_an_archive(kind: str) -> None:
    Path("archive").write_bytes(ARCHIVES[kind])
    assert_taken(Path("archive"))
    assert sorted(os.listdir()) == ["archive", "out"]


@pytest.mark.parametrize("folder", ["folder", "folder/cifar-10-batches-py", "out/files"])
def test_takes_the_files_from_a_folder(folder: str) -> None:
    Path(folder).mkdir(parents=True)
    for name, content in (CONTENTS | {"readme.html": b"<p>"}).items():
        Path(folder, name).write_bytes(content)
    assert_taken(Path("out/files" if folder.startswith("out") else "folder"))


@pytest.mark.parametrize("fault", REFUSED)
def test_refuses_an_archive_in_one_line_and_leaves_the_files_of_before(fault: str) -> None:
    content, reason = REFUSED[fault]
    Path("archive").write_bytes(content)
    Path("out/files").mkdir(parents=True)
    Path("out/files/old").touch()
    with pytest.raises(RefusedError) as error:
        take(Path("archive"), DIGESTS, Path("out/files"))
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert os.listdir("out") == ["files"]
    assert os.listdir("out/files") == ["old"]


def test_says_what_is_wrong_with_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(RefusedError, match="there is no such file or folder"):
        take(Path("absent"), DIGESTS, Path("out"))
    Path("archive").write_bytes(ARCHIVES["tar"])
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RefusedError, match=r"it cannot be read \(Permission denied\)"):
        take(Path("archive"), DIGESTS, Path("out"))


@pytest.mark.skipif("CIFAR10_ARCHIVE" not in os.environ, reason="CIFAR10_ARCHIVE names no images")
def test_the_digests_are_those_of_the_files_that_torchvision_knows(tmp_path: Path) -> None:
    """MD5 from torchvision.datasets.CIFAR10: train_list, test_list and meta."""
    lines = read(Path(__file__).parents[1] / "params.yaml")["data"]["sha256"]
    digests = {name: digest for digest, name in map(str.split, lines)}
    take(Path(os.environ["CIFAR10_ARCHIVE"]), digests, tmp_path / "files")
    found = [hashlib.md5((tmp_path / "files" / name).read_bytes()).hexdigest() for name in FILES]
    assert found == [
        "5ff9c542aee3614f3951f8cda6e48888",
        "c99cafc152244af753f735de768cd75f",
        "d4bba439e000b95fd0a9bffe97cbabec",
        "54ebc095f3ab1f0389bbae665268c751",
        "634d18415352ddfa80567beed471001a",
        "482c414d41f54cd18b22e5b47cb7c3cb",
        "40351d587109b95175f43aff81a1287e",
    ]
