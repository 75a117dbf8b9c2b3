"""Stage `settings`: checks params.yaml and writes down what each stage takes from it.

DVC deletes the results of a stage before it runs it. All stages follow this one, so a wrong setting
ends here and costs no result. A run takes its settings from several sections and overrides some:
it is trained again when its own change, with all put together, or a library that computes.
"""

from __future__ import annotations

import json
import re
import reprlib
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from klayer import params
from klayer.errors import KlayerError
from klayer.files import write_folder
from klayer.params import SETTINGS, read_settings
from klayer.settings import Params, Training

LIBRARIES = ("llvmlite", "numba", "numpy", "pandas", "pillow", "safetensors")
DATA = ("source", "sha256", "synthetic_seed", "validation")  # how images are fetched is no matter
REPORTED = ("training", "experiments", "search")
RESULTS = ("metrics/train/*.json", "plots/train/*.csv", "plots/seeds/*.csv", "plots/runs/*")
FILES = {"download": ("data", "mirrors"), "preprocess": ("data",)}  # others: one of their name


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


def check_recorded(stage: str) -> None:
    """Raises KlayerError where params.yaml says something else than a stage's settings.

    For a command that is run by hand. Where DVC runs it, `settings` came first.
    """
    now = of_stages(params.read())
    for file in FILES.get(stage, (stage,)):
        compare(stage, file, now, SETTINGS)


def compare(stage: str, file: str, now: Mapping[str, Any], folder: Path) -> None:
    """Raises KlayerError for the first key of which params.yaml and a file of settings differ."""
    if file not in now:
        kind, at, name = file.rpartition("@")
        known = ", ".join(n.removeprefix(kind + at) for n in now if n.startswith(kind + at))
        raise KlayerError(f"params.yaml has no {reprlib.repr(name)} (known: {known})")
    recorded = read_settings(file, folder)
    if first := difference(now[file], recorded):
        key, *values = first
        ours, theirs = ("left out" if value is None else reprlib.repr(value) for value in values)
        raise KlayerError(
            f"{key} is {ours} in params.yaml and {theirs} in {folder / file}.json, which `dvc "
            f"repro` wrote before: run `dvc repro {stage}`"
        )


def difference(now: Any, recorded: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Where two values of JSON first differ, and both values there; None where they are equal."""
    match now, recorded:
        case dict(), dict():
            parts = [(k, now.get(k), recorded.get(k)) for k in sorted({*now, *recorded})]
        case list(), list() if len(now) == len(recorded) and any(isinstance(x, dict) for x in now):
            parts = [(str(i), *both) for i, both in enumerate(zip(now, recorded, strict=True), 1)]
        case _:
            return None if now == recorded else (path, now, recorded)
    inner = (difference(a, b, f"{path}.{key}" if path else key) for key, a, b in parts)
    return next(filter(None, inner), None)


def locked(lock: Path) -> dict[str, str]:
    """The version of each library that computes."""
    versions = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE))
    return {name: versions[name] for name in LIBRARIES}
