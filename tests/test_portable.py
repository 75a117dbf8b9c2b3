"""The same bytes on every processor: the digests are committed, and every machine compares its own.

Natively, with the instructions of older x86-64 processors, and in other environments; test_arm.py
emulates Arm. docs/numerics.md says why they agree.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from conftest import ROOT
from klayer.parallel.runner import map_tasks
from portable import ITEMS, item, joint

SCRIPT = ROOT / "tests/portable.py"
DIGESTS = {
    "3 layers": "a5ed2d6a3f2df6dd",
    "3 layers, BN, other statistics, noise, views": "27cceca4ccc93381",
    "9 layers, constant rate": "af8a1ecd62b3e3f0",
    "9 layers, BN": "c38568afc939c472",
    "skip connection, dropout, label smoothing, one cycle": "9352b515d201cba5",
    "Adam, flips and shifts, cosine, He": "9f21d420130514a0",
    "momentum, steps, Xavier": "98a7056e9cb2fb71",
    "float64 gradient check": "b359d2f4a82c5613",
    "values of lambda": "0ba0537ef169d60e",
    "50 lambda, 50 networks": "6f60e89c8fe08db0",
    "tables and choice of the search": "c5455d9fd46616f1",
    "tables and metrics": "e1b55787ee2825ef",
    "picture of weights": "9d6dbb08a6efe144",
    "numbers of the report": "91a21ff416d440e1",
}
DIGEST = "93a29f5bdb75aca1"  # of all: docs/reproducibility.md has it, too

HASWELL = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi,+bmi2"}
SSE2 = {"NUMBA_CPU_NAME": "nocona", "NUMBA_CPU_FEATURES": "+sse2"}
NETWORK = "3 layers, BN, other statistics, noise, views"  # where all of them take too long
FEW = (NETWORK, "tables and metrics", "values of lambda", "numbers of the report")

of_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="they name x86-64's processors")


def digests(*items: str, python: str = sys.executable, **environment: str) -> dict[str, str]:
    """What the script prints in a process of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_CPU")} | environment
    env["PYTHONPATH"] = str(ROOT / "src")
    command = [python, str(SCRIPT), *items]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ") for line in done.stdout.splitlines())


def committed(*items: str) -> dict[str, str]:
    """What it has to print."""
    wanted = {name: DIGESTS[name] for name in items or ITEMS}
    return wanted | {"all": joint(wanted)}


def test_the_committed_digests_come_out_here() -> None:
    assert digests() == committed()
    assert committed()["all"] == DIGEST
    assert DIGEST in (ROOT / "docs/reproducibility.md").read_text(encoding="utf-8")


@of_x86
@pytest.mark.parametrize(
    ("processor", "items"), [(HASWELL, []), (SSE2, [NETWORK])], ids=["AVX2", "SSE2 without FMA"]
)
def test_older_processors(processor: dict[str, str], items: list[str]) -> None:
    assert digests(*items, **processor) == committed(*items)


@of_x86
def test_variables_of_blas_and_numpy_change_nothing() -> None:
    features = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"
    other = {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": features}
    assert digests(*FEW, **other) == committed(*FEW)


def test_two_processes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    assert dict(map_tasks(item, list(ITEMS))) == DIGESTS
