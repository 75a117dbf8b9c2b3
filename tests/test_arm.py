"""A network on an emulated Arm has the committed bytes.

All items of portable.py have them (`.klayer/arm/python tests/portable.py`, five minutes), of which
Numba's compiling takes four. This file is the first by its name, so that others run beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from test_portable import NETWORK, committed, digests

ARM = ROOT / ".klayer/arm"


def test_emulated_arm() -> None:
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [str(ROOT / "tools/emulated_arm.sh"), str(ARM)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no emulated Arm: {done.stderr.strip().splitlines()[-1]}")
    assert digests(NETWORK, python=str(ARM / "python")) == committed(NETWORK)
