"""The same bytes on every processor: natively, without AVX-512, and under emulated processors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from klayer.running import arithmetic
from klayer.running.workers import map_tasks

from conftest import ROOT
from klayer import PORTABLE
from tasks import portable_item

SCRIPT = ROOT / "tests/portable.py"
QEMU = shutil.which("qemu-x86_64")
ABOVE_AVX2 = PORTABLE["NPY_DISABLE_CPU_FEATURES"]
# Emulated, each costs seconds to minutes: compiling the loops takes most of it.
EMULATED = ("three layers, BN", "nine layers", "gradients", "values of lambda", "synthetic images")

pytestmark = pytest.mark.skipif(
    arithmetic.in_use() is not None, reason=f"{arithmetic.in_use()}: nothing to compare with"
)


def digests(*items: str, before: tuple[str, ...] = (), **environment: str) -> dict[str, str]:
    """What the script prints in a process of its own."""
    env = {k: v for k, v in os.environ.items() if k not in PORTABLE} | environment
    env["PYTHONPATH"] = str(ROOT / "src")
    command = [*before, sys.executable, str(SCRIPT), *items]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ") for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def native() -> dict[str, str]:
    return digests()


def test_the_kernels_are_chosen_whatever_the_environment_says(native: dict[str, str]) -> None:
    other: dict[str, Any] = {"OPENBLAS_CORETYPE": "Sandybridge", "OPENBLAS_NUM_THREADS": "2"}
    assert digests("three layers, BN", **other)["three layers, BN"] == native["three layers, BN"]


def test_other_kernels_would_give_other_bytes(native: dict[str, str]) -> None:
    """Else the comparison would compare nothing."""
    own: dict[str, Any] = {"KLAYER_KERNELS": "native", "OPENBLAS_CORETYPE": "Sandybridge"}
    assert digests("three layers, BN", **own)["three layers, BN"] != native["three layers, BN"]


def test_without_avx512(native: dict[str, str]) -> None:
    """As on a processor that has none: NumPy's loops switched off by hand."""
    off: dict[str, Any] = {"KLAYER_KERNELS": "native", "OPENBLAS_CORETYPE": "Haswell"}
    assert digests(**off, NPY_DISABLE_CPU_FEATURES=ABOVE_AVX2) == native


def test_one_or_two_processes(native: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    items = [name for name in native if "layers" in name or "population" in name]
    for cores in ("1", "2"):
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", cores)
        assert dict(map_tasks(portable_item, items)) == {name: native[name] for name in items}


@pytest.mark.skipif(QEMU is None, reason="qemu-user is not installed (Debian's package)")
@pytest.mark.parametrize("processor", ["Haswell", "EPYC"])
def test_an_emulated_processor(native: dict[str, str], processor: str, tmp_path: Path) -> None:
    before = (str(QEMU), "-cpu", processor)
    found = digests(*EMULATED, before=before, NUMBA_CACHE_DIR=str(tmp_path))
    assert found == {name: native[name] for name in EMULATED}


@pytest.mark.skipif(QEMU is None, reason="qemu-user is not installed (Debian's package)")
def test_a_picture_under_an_emulated_processor(native: dict[str, str]) -> None:
    """The emulator fails in NumPy's AVX2 loops for sorting, so these are off, too."""
    off: dict[str, Any] = {"KLAYER_KERNELS": "native", "OPENBLAS_CORETYPE": "Haswell"}
    features = f"X86_V3 {ABOVE_AVX2}"
    before = (str(QEMU), "-cpu", "Haswell")
    found = digests("a picture", before=before, **off, NPY_DISABLE_CPU_FEATURES=features)
    assert found["a picture"] == native["a picture"]
