"""Stage `settings`: checks params.yaml and writes the settings of each stage to a file.

DVC deletes the results of a stage before it runs it. All stages depend on this one, so a wrong
setting costs no result. A run takes its settings from several sections. Its file has them merged,
with the versions of the libraries that compute: the run is trained again when one of them changes.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from klayer import params
from klayer.errors import KlayerError
from klayer.files import write_folder
from klayer.params import SETTINGS
from klayer.settings import Params, Training

LIBRARIES = ("llvmlite", "numba", "numpy", "pandas", "pillow", "safetensors")
DATA = ("source", "sha256", "synthetic_seed", "validation")  # others tell how images are fetched
REPORTED = ("training", "experiments", "search")
RESULTS = ("metrics/train/*.json", "plots/train/*.csv", "plots/seeds/*.csv", "plots/runs/*")


def run() -> None:
    """Writes data/settings, and names results of runs that are no longer in params.yaml.

    Raises KlayerError, before anything is written, when params.yaml is wrong.
    """
    sections = params.read()
    write(SETTINGS, stage_files(sections), Path("requirements.lock"), indent=2)
    name_leftovers(RESULTS, check(sections).runs)


def check(sections: Mapping[str, Any] | None = None) -> Params:
    """The settings of all runs. Raises KlayerError, with a line for each key that is wrong."""
    sections = params.read() if sections is None else sections
    if "studies" in sections:
        raise KlayerError("params.yaml has studies: here run `klayer studies ...` or `dvc repro`")
    return params.check(Params, sections)


def stage_files(sections: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The settings of each stage of dvc.yaml, without those that are off.

    The stages that make the images share `data`. No stage depends on `mirrors`: how images are
    fetched changes no result.
    """
    checked, data, search = check(sections), sections["data"], sections["search"]
    images = {key: data[key] for key in DATA}
    searching = _written(checked.search.training, {"l2", "seeds"})
    files = {
        "data": images,
        "mirrors": {key: value for key, value in data.items() if key not in DATA},
        "check_gradients": sections["check_gradients"],
        "search_l2": {"coarse": search["coarse"], "fine": search["fine"], "training": searching},
        "report": {key: sections[key] for key in REPORTED} | {"data": images},
    }
    files |= {f"train@{name}": _written(t) for name, t in checked.experiments.items()}
    schedules = checked.search.schedules
    return files | {f"train_best@{name}": _written(t, {"l2"}) for name, t in schedules.items()}


def _written(training: Training, exclude: set[str] | None = None) -> dict[str, Any]:
    """As JSON, without settings that are off, and without those that the stage itself decides."""
    return training.model_dump(mode="json", exclude=exclude, exclude_defaults=True)


def write(folder: Path, files: Mapping[str, Mapping[str, Any]], lock: Path, indent: int) -> None:
    """Writes a file of settings for each stage, with the versions of the libraries that compute."""
    libraries, contents = locked(lock), {}
    for name, settings in files.items():
        ordered = indent == 2 and name != "report"  # pages keep the order of params.yaml
        text = json.dumps({**settings, "libraries": libraries}, indent=indent, sort_keys=ordered)
        contents[f"{name}.json"] = f"{text}\n".encode()
    write_folder(folder, contents)


def name_leftovers(patterns: Iterable[str], known: Iterable[str]) -> None:
    """Prints which results are of runs that params.yaml does not have, for example after a run was
    renamed, and the command that removes them. Git keeps them, and `dvc plots show` draws them.
    """
    files = [path for pattern in patterns for path in sorted(Path().glob(pattern))]
    if leftovers := [path for path in files if path.stem not in known]:
        runs = ", ".join(sorted({path.stem for path in leftovers}))
        command = shlex.join(["rm", "-r", "--", *map(str, leftovers)])
        print(f"params.yaml does not have {runs}, whose results are still here; to remove them:")
        print(f"  {command}")


def locked(lock: Path) -> dict[str, str]:
    """The version of each library that computes."""
    versions = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE))
    return {name: versions[name] for name in LIBRARIES}
