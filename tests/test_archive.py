"""The reader against sound archives, hostile ones, and random bytes."""

import gzip
import io
import pickle
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klayer.data import archive, synthetic
from klayer.data.pickles import UnsoundPickleError, read_pickle
from klayer.errors import KlayerError

N = 20  # images of a batch, here
Members = dict[str, bytes]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BATCH", N)
    monkeypatch.setattr(synthetic, "BATCH", N)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    synthetic.write_archive(tmp_path / "sound.tar", 1)
    return tmp_path / "sound.tar"


def members(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = size, kind, link
    return member.tobuf(tarfile.GNU_FORMAT)


def packed(contents: Members) -> bytes:
    blocks = (header(n, len(c)) + c + bytes(-len(c) % 512) for n, c in contents.items())
    return b"".join(blocks) + bytes(1024)


def refuse(path: Path, content: bytes, reason: str) -> None:
    """The reader refuses the content in one line with this reason, in bounded memory."""
    path.write_bytes(content)
    before = sorted(path.parent.iterdir())
    tracemalloc.start()
    try:
        with pytest.raises(KlayerError) as error:
            archive.read_archive(path)
        assert tracemalloc.get_traced_memory()[1] < 300e6
    finally:
        tracemalloc.stop()
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    assert sorted(path.parent.iterdir()) == before


def test_reads_what_pickle_reads(sound: Path) -> None:
    train, test = archive.read_archive(sound)
    contents = members(sound)
    names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
    parts = [pickle.loads(contents[f"{archive.FOLDER}/{n}"], encoding="bytes") for n in names]
    data = np.concatenate([part[b"data"] for part in parts])
    labels = np.concatenate([part[b"labels"] for part in parts])
    np.testing.assert_array_equal(np.concatenate([train.images, test.images]), data)
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), labels)


def test_reads_compressed_with_folder_and_readme_in_any_order(sound: Path) -> None:
    expected = archive.read_archive(sound)
    contents = dict(reversed(members(sound).items())) | {f"{archive.FOLDER}/readme.html": b"<p>"}
    whole = header(f"{archive.FOLDER}/", kind=tarfile.DIRTYPE) + packed(contents)
    sound.write_bytes(gzip.compress(whole, 1))
    for split, other in zip(archive.read_archive(sound), expected, strict=True):
        np.testing.assert_array_equal(split.images, other.images)
        np.testing.assert_array_equal(split.labels, other.labels)


def test_reads_fortran_order() -> None:
    table = np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    state = b"(K\x01K\x02K\x03\x86" + DTYPE + b"\x88" + b"U\x06" + table.tobytes("F") + b"tb"
    content = read_pickle(b"\x80\x02}(U\x04data" + EMPTY + state + b"u.")
    np.testing.assert_array_equal(content["data"], table)


DTYPE = (
    b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)
EMPTY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
FIRST, LINK = f"{archive.FOLDER}/data_batch_1", f"{archive.FOLDER}/batches.meta"
EXTRA: dict[str, tuple[bytes, str]] = {
    "traversal": (header(f"{archive.FOLDER}/../../evil"), "no place"),
    "absolute": (header("/etc/passwd"), "no place"),
    "backslash": (header(f"{archive.FOLDER}\\data_batch_1"), "no place"),
    "extra": (header(f"{archive.FOLDER}/data_batch_6"), "no place"),
    "elsewhere": (header("other/data_batch_1"), "no place"),
    "escape": (header("\x1b[2Jhello"), "'\\x1b[2Jhello'"),
    "symlink": (header(FIRST, kind=tarfile.SYMTYPE, link="/etc/passwd"), "no place"),
    "hardlink": (header(FIRST, kind=tarfile.LNKTYPE, link=LINK), "no place"),
    "device": (header(FIRST, kind=tarfile.CHRTYPE), "no place"),
    "fifo": (header(FIRST, kind=tarfile.FIFOTYPE), "no place"),
    "sparse": (header(FIRST, kind=tarfile.GNUTYPE_SPARSE), "no place"),
    "folder": (header(f"{archive.FOLDER}/data_batch_1/", kind=tarfile.DIRTYPE), "no place"),
    "long name": (header("././@LongLink", 8 << 30, kind=tarfile.GNUTYPE_LONGNAME), "no place"),
    "pax": (header("././@PaxHeader", 8 << 30, kind=tarfile.XHDTYPE), "no place"),
    "huge": (header(FIRST, 8 << 30), "absurd size, 8,589,934,592"),
    "negative": (header(FIRST, -512), "absurd size, -512"),
    "truncated": (header(FIRST, 1000) + b"abc", "ends too early"),
    "no header": (b"x" * 512, "no tar header"),
    "web page": (b"<html>", "ends too early"),
    "nothing": (b"", "ends too early"),
    "no members": (bytes(1024), "it has no batches.meta, data_batch_1"),
}


@pytest.mark.parametrize("name", EXTRA)
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_refuses_member(tmp_path: Path, name: str, compress: Callable[[bytes], bytes]) -> None:
    content, reason = EXTRA[name]
    refuse(tmp_path / "archive.tar", compress(content), reason)


def test_refuses_double_and_missing_members(sound: Path) -> None:
    contents = members(sound)
    refuse(sound, packed(contents)[:-1024] + packed({FIRST: contents[FIRST]}), "stands in it twice")
    del contents[FIRST]
    refuse(sound, packed(contents), "it has no data_batch_1")


def test_refuses_damaged_gzip(sound: Path) -> None:
    whole = gzip.compress(sound.read_bytes(), 1)
    refuse(sound, whole[: len(whole) // 2], "ended before")
    refuse(sound, whole[:5], "ended before")
    broken = bytearray(whole)
    broken[1000:1100] = bytes(100)
    refuse(sound, bytes(broken), "not a sound CIFAR-10 archive")


def test_refuses_zip_bomb(tmp_path: Path) -> None:
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as bomb:
        bomb.write(header(FIRST, 31_000_000))
        for _ in range(40):
            bomb.write(bytes(10_000_000))
    refuse(tmp_path / "bomb.tar.gz", file.getvalue(), "not the pickle of a batch")


def test_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(KlayerError, match=r"no\.such\.tar"):
        archive.read_archive(tmp_path / "no.such.tar")


def array(shape: bytes, dtype: bytes = DTYPE, data: bytes = bytes(6)) -> bytes:
    return EMPTY + b"(K\x01" + shape + dtype + b"\x89U" + bytes([len(data)]) + data + b"tb"


def whole(value: bytes) -> bytes:
    return b"\x80\x02}(U\x04data" + value + b"u."


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (exec, ("import pathlib; pathlib.Path('evil').touch()",))


PICKLES: dict[str, tuple[bytes, str]] = {
    "exec": (pickle.dumps(Evil(), 2), "exec"),
    "exec, protocol 0": (pickle.dumps(Evil(), 0), "exec"),
    "exec, protocol 4": (pickle.dumps(Evil(), 4), "no place"),
    "instance": (b"(ios\nsystem\n(U\x04evil.", "INST"),
    "object": (b"(cos\nsystem\nU\x04evilo.", "os system"),
    "extension": (b"\x82\x01.", "EXT1"),
    "persistent": (b"Pevil\n.", "PERSID"),
    "new object": (b"cnumpy\nndarray\n)\x81.", "no place"),
    "foreign": (b"cnumpy\nload\n.", "numpy load"),
    "dotted": (b"cnumpy\nndarray.tofile\n.", "no place"),
    "giant array by REDUCE": (b"cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85\x85R.", "calls something"),
    "dtype of objects": (whole(b"cnumpy\ndtype\nU\x01O\x85R"), "calls something"),
    "call of text": (b"U\x04evil)R.", "no place"),
    "call of nothing": (b"NU\x01a\x85R.", "calls something"),
    "giant shape": (whole(array(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86")), "does not fit"),
    "negative shape": (whole(array(b"J\xfe\xff\xff\xffJ\xfd\xff\xff\xff\x86")), "does not fit"),
    "three dimensions": (whole(array(b"K\x01K\x02K\x03\x87")), "not a table"),
    "no dtype": (whole(array(b"K\x02K\x03\x86", dtype=b"N")), "not a table"),
    "state twice": (whole(array(b"K\x02K\x03\x86") + b"(tb"), "not a table"),
    "state of a list": (b"](tb.", "not a table"),
    "number as key": (b"}(K\x01K\x02u.", "not text"),
    "nested tuple as key": (b"}(N" + b"\x85" * 90 + b"K\x02u.", "not text"),
    "odd items": (b"}(U\x01au.", "broken"),
    "append to text": (b"U\x01a(e.", "not a list"),
    "list": (b"].", "not hold a dictionary"),
    "itself": (b"]q\x00(h\x00e.", "not hold a dictionary"),
    "depth": (b"]" + b"\x85" * 150_000 + b".", "not hold a dictionary"),
    "many": (b"]" * 300_000, "more than 200,000"),
    "memory index": (b"]r\xff\xff\xff\xff.", "not hold a dictionary"),
    "memory of nothing": (b"h\x07.", "broken"),
    "no mark": (b"]e.", "broken"),
    "empty stack": (b"q\x00.", "broken"),
    "two results": (b"}}.", "broken"),
    "no end": (b"}", "broken"),
    "giant text": (b"T\xff\xff\xff\x7fabc.", "broken"),
    "negative text": (b"T\xff\xff\xff\xffabc.", "broken"),
    "giant number": (b"\x8b\xff\xff\xff\x7f.", "broken"),
    "digits": (b"I" + b"9" * 5000 + b"\n.", "broken"),
    "odd escape": (b"S'\\q'\n.", "STRING"),
    "nothing": (b"", "broken"),
}


@pytest.mark.parametrize("name", PICKLES)
def test_refuses_pickle(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content, reason = PICKLES[name]
    with pytest.raises(UnsoundPickleError, match=reason):
        read_pickle(content)
    assert not list(tmp_path.iterdir())


def batch(rows: int = N, columns: int = 3072, labels: object = None) -> bytes:
    """A batch with these labels, which are 0 to 9 in turn if none are given."""
    data = np.zeros((rows, columns), np.uint8)
    values = [i % 10 for i in range(N)] if labels is None else labels
    numbers = pickle.dumps(values, 2)[2:-1]
    return b"\x80\x02}(U\x06labels" + numbers + b"U\x04data" + synthetic._array(data) + b"u."


BATCHES: dict[str, tuple[bytes, str]] = {
    "rows": (batch(rows=N - 1), "data of data_batch_1"),
    "columns": (batch(columns=3071), "data of data_batch_1"),
    "no data": (b"}.", "data of data_batch_1"),
    "text as data": (whole(b"U\x01a"), "data of data_batch_1"),
    "few labels": (batch(labels=[0] * (N - 1)), "labels of data_batch_1"),
    "label 10": (batch(labels=[10] * N), "labels of data_batch_1"),
    "label -1": (batch(labels=[-1] * N), "labels of data_batch_1"),
    "label true": (batch(labels=[True] * N), "labels of data_batch_1"),
    "labels as number": (batch(labels=3), "labels of data_batch_1"),
    "counts": (batch(labels=[0] * N), "training images, not the same number"),
    "foreign": (b"cos\nsystem\n.", "os system"),
}


@pytest.mark.parametrize("name", BATCHES)
def test_refuses_batch(sound: Path, name: str) -> None:
    content, reason = BATCHES[name]
    refuse(sound, packed(members(sound) | {FIRST: content}), reason)


def test_takes_a_sound_replacement(sound: Path) -> None:
    """What `batch` makes is refused for the change alone."""
    sound.write_bytes(packed(members(sound) | {FIRST: batch()}))
    assert not archive.read_archive(sound)[0].images[:N].any()


PIECES = [v for v, _ in PICKLES.values() if len(v) < 500] + [DTYPE, EMPTY, batch()[:200]]


def pickles() -> st.SearchStrategy[bytes]:
    opcodes = st.sampled_from(
        list(b"().012BCFGIJKLMNPQRSTUVX]abcdeghijlopqrstu}\x80\x81\x85\x86\x87\x88\x89\x8a\x8b")
    )
    random = st.lists(opcodes).map(bytes)
    return st.lists(st.sampled_from(PIECES) | st.binary(max_size=20) | random).map(b"".join)


@settings(max_examples=1000, deadline=None)
@given(pickles())
def test_any_pickle_is_read_or_refused(content: bytes) -> None:
    try:
        assert isinstance(read_pickle(content), dict)
    except UnsoundPickleError as error:
        lines = str(error).splitlines()
    else:
        lines = ["read"]
    assert len(lines) == 1


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz") / "archive.tar"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "BATCH", N)
        synthetic.write_archive(path, 1)
    return path


@settings(max_examples=200, deadline=None)
@given(data=st.data(), compress=st.booleans())
def test_any_archive_is_read_or_refused(
    original: Path, data: st.DataObject, compress: bool
) -> None:
    content = bytearray(original.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 1200))
        content[start : start + data.draw(st.integers(0, 600))] = data.draw(st.binary(max_size=40))
    path = original.with_name("changed.tar")
    path.write_bytes(gzip.compress(content, 0) if compress else content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "BATCH", N)
        try:
            train, _ = archive.read_archive(path)
        except KlayerError as error:
            lines = str(error).splitlines()
        else:
            assert train.images.shape == (5 * N, 3072)
            lines = ["read"]
    assert len(lines) == 1
