"""A clone of the working tree in a folder of its own, with settings of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import ROOT, write_params
from tools.quick import copy_tree

# Back to what is committed, whatever was added, removed or changed (README.md).
GO_BACK = (
    "git restore -SW params.yaml dvc.lock metrics plots reports && "
    "git clean -fdq metrics plots reports && dvc checkout --allow-missing"
)


class Clone:
    """The working tree, committed, with its own code on the path."""

    def __init__(self, folder: Path, params: dict[str, Any]) -> None:
        self.folder = folder
        programs = Path(sys.executable).parent
        self.env = {k: v for k, v in os.environ.items() if k != "CIFAR10_ARCHIVE"} | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
            "LOKY_MAX_CPU_COUNT": "1",  # no workers: they take longer to start than to train
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_NAME": "test" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "test@localhost" for who in ("AUTHOR", "COMMITTER")},
        }
        copy_tree(ROOT, folder)
        # Numba's machine code: to compile it again takes longer than all training.
        for cached in ROOT.glob("src/klayer/**/__pycache__/*.nb?"):
            target = folder / cached.relative_to(ROOT)
            target.parent.mkdir(exist_ok=True)
            shutil.copy2(cached, target)
        write_params(params, folder / "params.yaml")
        self.run("git", "init", "--quiet")
        self.commit()

    def run(self, *command: str) -> str:
        """The output of a command that has to end well."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "state")

    def changed(self) -> str:
        return self.run("git", "status", "--porcelain")

    def stale(self) -> set[str]:
        """Stages that would run again."""
        return set(json.loads(self.run("dvc", "status", "--json")))

    def restore(self) -> None:
        """Goes back to what is committed."""
        self.run("git", "checkout", "--quiet", ".")
        self.run("dvc", "checkout", "--quiet")
