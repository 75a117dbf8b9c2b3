"""Fuzzes the readers with atheris: `pip install atheris`, then `python tests/fuzz_archive.py`.

The first byte of an input says whether the rest is a pickle, a tar, or a compressed tar. Anything
but a result or a refusal in one line stops the run. Options of libFuzzer follow the command, such
as `-max_total_time=300` and a folder that collects inputs.
"""

import gzip
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["klayer", "pickletools"]):
    from klayer.data import archive
    from klayer.data.pickles import UnsoundPickleError, read_pickle
    from klayer.errors import KlayerError

archive.BATCH = 2
FILE = Path(tempfile.mkdtemp()) / "archive.tar"


def read(data: bytes) -> None:
    kind, content = data[:1], data[1:]
    try:
        if kind < b"\x80":
            read_pickle(content)
            return
        FILE.write_bytes(content if kind < b"\xc0" else gzip.compress(content, 1))
        archive.read_archive(FILE)
    except (UnsoundPickleError, KlayerError) as error:
        if "\n" in str(error):
            raise AssertionError(f"not one line: {error}") from None


if __name__ == "__main__":
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()
