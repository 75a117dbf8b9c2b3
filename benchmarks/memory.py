"""The peak memory of a stage: of the command, and all processes that it starts."""

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
    """Bytes at most while `klayer train` trains a few networks of a case; on Linux."""
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load(ROOT / "params.yaml")
    params["experiments"][case.name] |= SHORT
    with TemporaryDirectory(prefix="klayer-benchmark-") as temporary:
        folder, peak = Path(temporary), 0
        (folder / "data").mkdir()
        (folder / "data" / "processed").symlink_to(Path(case.folder).absolute())
        shutil.copy(ROOT / "requirements.lock", folder)
        yaml.dump(params, folder / "params.yaml")
        subprocess.run([*KLAYER, "settings"], cwd=folder, check=True)
        stage = subprocess.Popen([*KLAYER, "train", case.name], cwd=folder)
        while stage.poll() is None:
            with suppress(psutil.Error):  # one has just ended
                first = psutil.Process(stage.pid)
                found = [first, *first.children(recursive=True)]
                peak = max(peak, sum(each.memory_full_info().pss for each in found))
            time.sleep(0.05)
        if stage.returncode:
            raise RuntimeError(f"klayer train {case.name} ended with status {stage.returncode}")
    return peak
