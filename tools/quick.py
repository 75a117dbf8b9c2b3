"""`make quick`: a small run of every stage, in a copy of the working tree.

The copy is in .klayer/quick, so params.yaml and the committed results do not change. The images are
those of CIFAR10_ARCHIVE or data/, else synthetic ones; nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from klayer.errors import KlayerError
from klayer.stages.settings import RESULTS, check

FOLDER = Path(".klayer/quick")
LENGTHS = ("seeds", "half_cycle", "cycles", "evaluation_interval")  # no run changes these
EXPERIMENTS = ("three_layer", "three_layer_bn", "nine_layer", "nine_layer_bn")


def main() -> None:
    """Copies the working tree, runs the pipeline in the copy, and prints where the report is."""
    start = time.monotonic()
    check()
    shutil.rmtree(FOLDER, ignore_errors=True)
    copy_tree(Path(), FOLDER)
    for path in [path for pattern in RESULTS for path in FOLDER.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()  # of experiments that are not run
    shutil.rmtree(FOLDER / "src")  # replaced by a link: the compiled code is kept in src
    (FOLDER / "src").symlink_to(Path("src").absolute())
    # DVC runs stages in the user's shell, which may not exist. Starting workers would take longer.
    environment = os.environ | {"SHELL": "/bin/sh", "LOKY_MAX_CPU_COUNT": "1"}
    params = YAML()
    settings = params.load(FOLDER / "params.yaml")
    shrink(settings)
    images = Path(os.environ.get("CIFAR10_ARCHIVE") or "data/cifar-10-batches-py").expanduser()
    if images.is_file() or (images / "test_batch").exists():
        environment["CIFAR10_ARCHIVE"] = str(images.absolute())
    else:
        settings["data"]["source"] = "synthetic"
    params.dump(settings, FOLDER / "params.yaml")
    subprocess.run(["git", "init", "--quiet"], cwd=FOLDER, check=True)
    done = subprocess.run(["dvc", "repro"], cwd=FOLDER, env=environment, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    print(f"{FOLDER / 'reports/index.html'}: a small run of every stage,", end=" ")
    print(f"{time.monotonic() - start:.0f} s, on {settings['data']['source']} images")


def copy_tree(source: Path, target: Path) -> None:
    """Copies what Git tracks, or would track, as it is in the working tree.

    Raises KlayerError where Git does not know the source.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=source, stdout=subprocess.PIPE, check=False)
    if listed.returncode:  # Git has printed why
        raise KlayerError("`make quick` needs a Git repository: clone the project (a ZIP has none)")
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if os.path.lexists(source / name):  # one that is deleted is still listed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name, follow_symlinks=False)


def shrink(settings: dict[str, Any]) -> None:
    """Changes the settings of params.yaml, in place, so that a run takes seconds."""
    lengths = {"half_cycle": 50, "cycles": 1, "seeds": [1, 2], "evaluation_interval": 20}
    settings["training"] |= lengths
    settings["check_gradients"]["hidden"] = [[6], [6, 5]]
    known, search = settings["experiments"], settings["search"]
    names = [name for name in EXPERIMENTS if name in known] or list(known)[:4]
    settings["experiments"] = {name: _short(known[name]) for name in names}
    search["training"] |= {"half_cycle": 25, "evaluation_interval": 50}
    search["coarse"]["count"], search["fine"]["count"] = 6, 3
    search["fine"]["seeds"] = [1, 2]
    first = next(iter(search["schedules"]))  # the report shows the networks of this one
    search["schedules"] = {first: _short(search["schedules"][first])}


def _short(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if name not in LENGTHS}


if __name__ == "__main__":
    try:
        main()
    except KlayerError as error:
        sys.exit(f"Error: {error}")
