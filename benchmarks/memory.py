"""The peak memory of a stage: of the command, and all processes that it starts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from ruamel.yaml import YAML

from benchmarks.case import Case
from benchmarks.team import ROOT

KLAYER = [sys.executable, "-m", "klayer"]
SHORT = {"half_cycle": 225, "cycles": 1, "seeds": list(range(1, 9))}  # an epoch of 8 networks


def peak_memory(case: Case) -> int:
    """Bytes at most while `klayer train` trains a few networks of a case, on Linux.

    What processes share counts once. Raises CalledProcessError when klayer fails.
    """
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load(ROOT / "params.yaml")
    params["experiments"][case.name] |= SHORT
    with TemporaryDirectory(prefix="klayer-benchmark-") as temporary:
        folder = Path(temporary)
        (folder / "data").mkdir()
        (folder / "data" / "processed").symlink_to(Path(case.folder).absolute())
        shutil.copy(ROOT / "requirements.lock", folder)
        yaml.dump(params, folder / "params.yaml")
        subprocess.run([*KLAYER, "settings"], cwd=folder, check=True)
        stage, peak = subprocess.Popen([*KLAYER, "train", case.name], cwd=folder), 0
        while stage.poll() is None:
            peak = max(peak, _memory(stage.pid))
            time.sleep(0.05)
        if stage.returncode:
            raise subprocess.CalledProcessError(stage.returncode, stage.args)
    return peak


def _memory(pid: int) -> int:
    """Bytes of a process and all below it: of what n processes share, each counts 1/n."""
    size = 0
    with suppress(psutil.NoSuchProcess):  # it has just ended
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            with suppress(psutil.Error):
                size += process.memory_full_info().pss
    return size
