"""Stage `settings`: checks params.yaml and writes down what each stage takes from it.

DVC deletes the results of a stage before it runs it. All stages follow this one, so a wrong setting
ends here and costs no result. A run takes its settings from several sections and overrides some:
it is trained again when its own change, with all put together, or a library that computes.
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
DATA = ("source", "sha256", "synthetic_seed", "validation")  # how images are fetched is no matter
REPORTED = ("training", "experiments", "search")
RESULTS = ("metrics/train/*.json", "plots/train/*.csv", "plots/seeds/*.csv", "plots/runs/*")


def run() -> None:
    """Writes data/settings, and names the results of runs that params.yaml has no longer.

    Raises KlayerError, before anything is written, where params.yaml is wrong.
    """
    sections = params.read()
    write(SETTINGS, of_stages(sections), Path("requirements.lock"), indent=2)
    name_leftovers(RESULTS, check(sections).runs)


def check(sections: Mapping[str, Any] | None = None) -> Params:
    """The settings of all runs, of params.yaml. Raises KlayerError with all that is wrong there."""
    sections = params.read() if sections is None else sections
    if "studies" in sections:
        raise KlayerError("params.yaml has studies: here run `klayer studies ...` or `dvc repro`")
    return params.check(Params, sections)


def of_stages(sections: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What is taken from params.yaml, by the stage in dvc.yaml, without settings that are off.

    `data` is for all that make the images; `mirrors`, how they are fetched, is no dependency.
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


def _written(training: Training, but: set[str] | None = None) -> dict[str, Any]:
    """Without what a stage finds out itself, and without settings that are off."""
    return training.model_dump(mode="json", exclude=but, exclude_defaults=True)


def write(folder: Path, files: Mapping[str, Mapping[str, Any]], lock: Path, indent: int) -> None:
    """Writes a file of settings for each stage, with the versions of the libraries that compute."""
    libraries, contents = locked(lock), {}
    for name, settings in files.items():
        ordered = indent == 2 and name != "report"  # the page has the order of params.yaml
        whole = {**settings, "libraries": libraries}
        text = json.dumps(whole, indent=indent, sort_keys=ordered)
        contents[f"{name}.json"] = f"{text}\n".encode()
    write_folder(folder, contents)


def name_leftovers(patterns: Iterable[str], known: Iterable[str]) -> None:
    """Prints which results are of runs that params.yaml does not have, as after one was renamed,
    and the command that removes them: Git keeps them, and `dvc plots show` draws them.
    """
    files = [path for pattern in patterns for path in sorted(Path().glob(pattern))]
    if left := [path for path in files if path.stem not in known]:
        gone = ", ".join(sorted({path.stem for path in left}))
        command = shlex.join(["rm", "-r", "--", *map(str, left)])
        print(f"params.yaml does not have {gone}, whose results are still here; to remove them:")
        print(f"  {command}")


def locked(lock: Path) -> dict[str, str]:
    """The version of each library that computes."""
    versions = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE))
    return {name: versions[name] for name in LIBRARIES}
