"""Stage `settings`: checks params.yaml and writes down what each stage takes from it.

DVC deletes the results of a stage before it runs it. All stages follow this one, so a wrong setting
ends here and costs no result. A run takes its settings from several sections and overrides some:
it is trained again when its own change, with all put together, or a library that computes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from klayer import params
from klayer.errors import KlayerError
from klayer.files import whole_folder
from klayer.study.runs import Sections, experiment, scheduled, schedules, searching

SETTINGS = Path("data/settings")
LOCK = Path("requirements.lock")
DATA = ("source", "sha256", "synthetic_seed", "validation")  # how images are fetched is no matter
SEARCH = ("population_size", "coarse", "fine")
LIBRARIES = ("llvmlite", "numba", "numpy", "pandas", "pillow", "safetensors", "scipy")


def run() -> None:
    """Writes data/settings. The settings are checked before any stage, also this one."""
    sections, libraries = params.read(), locked(LIBRARIES)
    with whole_folder(SETTINGS) as folder:
        for name, settings in of_stages(sections).items():
            text = json.dumps({**settings, "libraries": libraries}, indent=2, sort_keys=True)
            (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8", newline="\n")


def of_stages(sections: Sections) -> dict[str, Mapping[str, Any]]:
    """What is taken from params.yaml, by the stage in dvc.yaml; `data` is for all up to them."""
    data, search = sections["data"], sections["search"]
    found: dict[str, Mapping[str, Any]] = {
        "data": {key: data[key] for key in DATA},
        "search_l2": {key: search[key] for key in SEARCH}
        | {
            "training": searching(sections).model_dump(
                exclude={"l2", "seeds"}, exclude_defaults=True
            )
        },
    }
    for name in params.names(sections, "experiments"):
        found[f"train@{name}"] = experiment(sections, name).model_dump(exclude_defaults=True)
    for name in schedules(sections):
        training = scheduled(sections, name, sections["training"]["l2"])
        found[f"train_best@{name}"] = training.model_dump(exclude={"l2"}, exclude_defaults=True)
    return found


def locked(libraries: tuple[str, ...], lock: Path = LOCK) -> dict[str, str]:
    """The version of each library in requirements.lock. Raises KlayerError where one is missing."""
    try:
        text = lock.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise KlayerError(f"{lock} cannot be read ({error}): run `git checkout {lock}`") from None
    versions = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))
    if missing := set(libraries) - set(versions):
        raise KlayerError(f"{lock} has no {min(missing)}: run `make lock`, which makes it")
    return {name: versions[name] for name in libraries}
