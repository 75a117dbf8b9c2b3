"""The seven files taken from folders and archives of every make, and refused when they differ."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import tarfile
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klayer.data import archive
from klayer.data.archive import FILES, AbsentError, RefusedError, take
from klayer.errors import KlayerError
from klayer.params import read

CONTENTS = {name: f"content of {name} ".encode() * 200 for name in FILES}
DIGESTS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
Member = tuple[str | tarfile.TarInfo, bytes]


def packed(members: Iterable[Member], kind: int = tarfile.USTAR_FORMAT, **header: object) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as tar:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            for field, value in header.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def sound(prefix: str = "cifar-10-batches-py/") -> list[Member]:
    return [(prefix + name, content) for name, content in CONTENTS.items()]


def special(name: str, kind: bytes, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, b""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_taken(source: Path) -> None:
    take(source, DIGESTS, Path("out/files"))
    assert {path.name: path.read_bytes() for path in Path("out/files").iterdir()} == CONTENTS
    assert os.listdir("out") == ["files"]


def assert_refused(source: Path, reason: str) -> None:
    """Refused in one line, in bounded memory; the files of before are still there, alone."""
    Path("out/files").mkdir(parents=True)
    Path("out/files/old").write_text("old")
    tracemalloc.start()
    try:
        with pytest.raises(RefusedError) as error:
            take(source, DIGESTS, Path("out/files"))
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert os.listdir("out") == ["files"]
    assert os.listdir("out/files") == ["old"]


EXTRA: list[Member] = [
    special("cifar-10-batches-py/", tarfile.DIRTYPE),
    ("cifar-10-batches-py/._data_batch_1", b"of a Mac"),
    ("cifar-10-batches-py/readme.html", b"<p>"),
    ("../../etc/passwd", b"no"),
    special("cifar-10-batches-py/data_batch_1", tarfile.SYMTYPE, "/etc/passwd"),
    special("cifar-10-batches-py/data_batch_2", tarfile.LNKTYPE, "/etc/passwd"),
    special("cifar-10-batches-py/data_batch_3", tarfile.CHRTYPE),
    special("cifar-10-batches-py/data_batch_4", tarfile.FIFOTYPE),
]
ARCHIVES: dict[str, bytes] = {
    "plain": packed(sound()),
    "gzip": gzip.compress(packed(sound())),
    "bzip2": bz2.compress(packed(sound())),
    "xz": lzma.compress(packed(sound())),
    "pax headers": packed(sound(), tarfile.PAX_FORMAT, mtime=1.5, uname="ü"),
    "GNU headers": packed(sound("a" * 150 + "/"), tarfile.GNU_FORMAT),
    "./ before the names": packed(sound("./cifar-10-batches-py/")),
    "no folder": packed(sound("")),
    "other order": packed(sound()[::-1]),
    "more members": packed(EXTRA + sound()),
    "an older version besides": packed([("old/data_batch_1", b"old"), *sound()]),
    "rubbish at the end": packed(sound()) + b"rubbish",
    "no end": packed(sound()).rstrip(b"\0") + bytes(512),
}


@pytest.mark.parametrize("make", ARCHIVES)
def test_takes_the_files_from_any_archive(make: str, place: Path) -> None:
    Path("archive").write_bytes(ARCHIVES[make])
    assert_taken(Path("archive"))
    assert os.listdir() == ["archive", "out"] or os.listdir() == ["out", "archive"]


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-py"])
def test_takes_the_files_from_a_folder(inner: str, place: Path) -> None:
    folder = Path("folder", inner)
    folder.mkdir(parents=True)
    for name, content in (CONTENTS | {"readme.html": b"<p>"}).items():
        (folder / name).write_bytes(content)
    assert_taken(Path("folder"))
    (folder / "data_batch_5").write_bytes(b"other")
    with pytest.raises(RefusedError, match="its data_batch_5 is not the original's"):
        take(Path("folder"), DIGESTS, Path("out/files"))
    (folder / "data_batch_5").unlink()
    with pytest.raises(RefusedError, match="it has no data_batch_5"):
        take(Path("folder"), DIGESTS, Path("out/files"))


def test_takes_the_folder_itself_and_leaves_the_seven_alone(place: Path) -> None:
    target = Path("out/files")
    target.mkdir(parents=True)
    for name, content in (CONTENTS | {"readme.html": b"<p>"}).items():
        (target / name).write_bytes(content)
    assert_taken(target)


def test_leaves_nothing_of_a_run_that_was_killed(place: Path) -> None:
    for kind in ("new", "old"):
        Path(f"out/.files.{kind}.partial").mkdir(parents=True)
        Path(f"out/.files.{kind}.partial/data_batch_1").write_bytes(b"half")
    Path("archive").write_bytes(ARCHIVES["plain"])
    assert_taken(Path("archive"))


CUT = ARCHIVES["plain"].index(b"content of data_batch_3") + 700
HUGE = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
HUGE.size = 8 << 30
LONG = tarfile.TarInfo("././@LongLink")
LONG.size, LONG.type = 8 << 30, tarfile.GNUTYPE_LONGNAME
CHANGED = hashlib.sha256(b"changed").hexdigest()
REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "damaged or truncated archive, or none"),
    "web page": (b"<html>" * 1000, "damaged or truncated archive, or none"),
    "zip": (b"PK\x03\x04" + bytes(1000), "damaged or truncated archive, or none"),
    "no members": (bytes(1024), "it has no batches.meta, data_batch_1, "),
    "cut in a file": (ARCHIVES["plain"][:CUT], "damaged or truncated archive"),
    "cut between files": (packed(sound()[:-1]), "it has no test_batch"),
    "cut, gzip": (ARCHIVES["gzip"][:-20], "damaged or truncated archive"),
    "cut, bzip2": (ARCHIVES["bzip2"][:-20], "damaged or truncated archive"),
    "cut, xz": (ARCHIVES["xz"][: len(ARCHIVES["xz"]) // 2], "damaged or truncated archive"),
    "broken gzip": (ARCHIVES["gzip"][:60] + bytes(50), "damaged or truncated archive"),
    "another file": (
        packed([*sound()[:1], ("data_batch_1", b"changed"), *sound()[2:]]),
        f"its data_batch_1 is not the original's: it has the SHA-256 {CHANGED}",
    ),
    "a link for a file": (
        packed([*sound()[1:], special("batches.meta", tarfile.SYMTYPE, "/etc/passwd")]),
        "it has no batches.meta",
    ),
    "huge": (HUGE.tobuf(tarfile.GNU_FORMAT), "its data_batch_1 has 8,589,934,592 bytes"),
    "huge name": (LONG.tobuf(tarfile.GNU_FORMAT), "damaged or truncated archive"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_refuses_an_archive(fault: str, place: Path) -> None:
    content, reason = REFUSED[fault]
    Path("archive").write_bytes(content)
    assert_refused(Path("archive"), reason)


@pytest.mark.parametrize("start", [b"", LONG.tobuf(tarfile.GNU_FORMAT)], ids=["zeros", "name"])
def test_refuses_what_swells(start: bytes, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST_ARCHIVE", 10_000_000)
    long = packed([("other", bytes(20_000_000))])
    Path("archive").write_bytes(gzip.compress(start + long, 1))
    assert_refused(Path("archive"), "it has too many bytes for an archive of CIFAR-10")


def test_refuses_what_is_no_file(place: Path) -> None:
    os.mkfifo("pipe")
    with pytest.raises(RefusedError, match="neither a file nor a folder"):
        take(Path("pipe"), DIGESTS, Path("out"))
    with pytest.raises(AbsentError, match="there is no such file or folder"):
        take(Path("absent"), DIGESTS, Path("out"))


def test_says_that_a_copy_cannot_be_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    Path("archive").write_bytes(ARCHIVES["plain"])
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RefusedError, match=r"it cannot be read \(Permission denied\)"):
        take(Path("archive"), DIGESTS, Path("out"))


@pytest.mark.parametrize("call", ["mkdir", "write_bytes", "rename"])
def test_a_full_disk_is_no_fault_of_the_copy(
    call: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    Path("archive").write_bytes(ARCHIVES["plain"])
    Path("out").mkdir()
    monkeypatch.setattr(Path, call, full)
    with pytest.raises(KlayerError, match="cannot write out/files: No space left on device"):
        take(Path("archive"), DIGESTS, Path("out/files"))
    assert os.listdir("out") == []


@settings(max_examples=150)
@given(data=st.data(), compress=st.sampled_from([bytes, gzip.compress, bz2.compress]))
def test_any_archive_is_taken_or_refused(
    data: st.DataObject,
    compress: Callable[[bytes], bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    content = bytearray(ARCHIVES["plain"])
    before = data.draw(st.booleans())  # the change: before or after compression
    content = content if before else bytearray(compress(bytes(content)))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)) | st.integers(0, 1200))
        content[start : start + data.draw(st.integers(0, 600))] = data.draw(st.binary(max_size=40))
    folder = tmp_path_factory.mktemp("any")
    (folder / "archive").write_bytes(compress(bytes(content)) if before else content)
    try:
        take(folder / "archive", DIGESTS, folder / "out")
    except RefusedError as error:
        found, lines = {}, str(error).splitlines()
    else:
        found, lines = (
            {path.name: path.read_bytes() for path in (folder / "out").iterdir()},
            ["taken"],
        )
    assert len(lines) == 1
    assert found in ({}, CONTENTS)
    assert sorted(os.listdir(folder)) == (["archive", "out"] if found else ["archive"])


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
