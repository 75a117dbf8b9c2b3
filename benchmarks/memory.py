"""The memory of all processes of a stage against networks, width and seeds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
from ruamel.yaml import YAML

from benchmarks.cost import measure
from klayer.data.dataset import PROCESSED
from klayer.errors import KlayerError
from klayer.params import read

NAME = "three_layer_bn"
HALF_CYCLE = 20  # steps: memory is as high after few as after many

Setting = tuple[int, Sequence[str], Mapping[str, Any]]  # value, klayer's command, what differs


def settings() -> dict[str, list[Setting]]:
    """For each thing that grows: its values, each with a command and what differs in params.yaml.

    A population for each core, of the search; and one seed after the other, of an experiment.
    """
    cores = joblib.cpu_count()
    short = {"half_cycle": HALF_CYCLE, "evaluation_interval": HALF_CYCLE}
    train = ("train", NAME)
    return {
        "networks in a process": [
            (m, ("search-l2",), _search(m, m * cores, short)) for m in (1, 4, 13, 25, 50)
        ],
        "units of a hidden layer": [
            (units, train, {f"experiments.{NAME}": short | {"hidden": [units, units]}})
            for units in (50, 100, 200, 400, 800)
        ],
        "seeds": [
            (count, train, {f"experiments.{NAME}": short | {"seeds": list(range(1, count + 1))}})
            for count in (2, 8, 32)
        ],
    }


def _search(population: int, count: int, short: Mapping[str, int]) -> dict[str, Any]:
    return {
        "search": {"population_size": population},
        "search.training": short,
        "search.coarse": {"count": count},
    }


def peak(setting: Setting) -> int:
    """Bytes. Raises KlayerError when klayer fails or the images are missing."""
    _, command, changes = setting
    sections = deepcopy(read())
    for path, differing in changes.items():
        section = sections
        for key in path.split("."):
            section = section[key]
        section.update(differing)
    with TemporaryDirectory(prefix="klayer-benchmark-") as temporary:
        folder = Path(temporary)
        (folder / "data").mkdir()
        (folder / PROCESSED).symlink_to(PROCESSED.absolute())
        with (folder / "params.yaml").open("w") as file:
            YAML(typ="safe", pure=True).dump(sections, file)
        (folder / "requirements.lock").symlink_to(Path("requirements.lock").absolute())
        subprocess.run([sys.executable, "-m", "klayer", "settings"], cwd=folder, check=True)
        cost = measure([sys.executable, "-m", "klayer", *command], folder)
    if cost.status:
        raise KlayerError(f"klayer {' '.join(command)} ended with status {cost.status}")
    return cost.peak
