"""Stage `settings`: checks params.yaml and writes down what each stage takes from it.

DVC deletes the results of a stage before it runs it. All stages follow this one, so a wrong setting
ends here and costs no result. A run takes its settings from several sections and overrides some:
it is trained again when its own change, with all put together, or a library that computes. A stage
reads its own file and not params.yaml, so that what DVC records is what was trained.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from klayer import params
from klayer.errors import KlayerError
from klayer.files import write_folder
from klayer.params import SETTINGS, read_settings, show
from klayer.study.runs import Sections, experiment, run_names, scheduled, schedules, searching

LOCK = Path("requirements.lock")
DATA = ("source", "sha256", "synthetic_seed", "validation")  # how images are fetched is no matter
SEARCH = ("coarse", "fine")
REPORTED = ("training", "experiments", "search")
NAMED = {"train": "experiments", "train_best": "search.schedules"}
FILES = {"download": ("data", "mirrors"), "preprocess": ("data",)}  # of others one of their name
RESULTS = ("metrics/train/*.json", "plots/train/*.csv", "plots/seeds/*.csv", "plots/runs/*")
LIBRARIES = ("llvmlite", "numba", "numpy", "pandas", "pillow", "safetensors")


def run() -> None:
    """Writes data/settings, and names the results of runs that params.yaml has no longer."""
    sections, libraries = params.read(), locked(LIBRARIES)
    files = {}
    for name, settings in of_stages(sections).items():
        ordered = name != "report"  # which shows experiments in the order of params.yaml
        text = json.dumps({**settings, "libraries": libraries}, indent=2, sort_keys=ordered)
        files[f"{name}.json"] = f"{text}\n".encode()
    write_folder(SETTINGS, files)
    if left := leftovers(sections):
        gone = ", ".join(sorted({path.stem for path in left}))
        command = shlex.join(["rm", "-r", "--", *map(str, left)])
        print(f"params.yaml does not have {gone}, whose results are still here; to remove them:")
        print(f"  {command}")
        pipeline = Path("dvc.yaml")
        drawn = pipeline.read_text(encoding="utf-8") if pipeline.exists() else ""
        if any(str(path) in drawn for path in left):
            print("  and take its lines out of `plots:` at the end of dvc.yaml")


def of_stages(sections: Sections) -> dict[str, Mapping[str, Any]]:
    """What is taken from params.yaml, by the stage in dvc.yaml.

    `data` is for all that make the images; `mirrors`, how they are fetched, is no dependency.
    """
    data, search = sections["data"], sections["search"]
    found: dict[str, Mapping[str, Any]] = {
        "data": {key: data[key] for key in DATA},
        "mirrors": {key: value for key, value in data.items() if key not in DATA},
        "check_gradients": sections["check_gradients"],
        "report": {**{key: sections[key] for key in REPORTED}, "data": {k: data[k] for k in DATA}},
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


def check_recorded(stage: str) -> None:
    """Raises KlayerError where params.yaml says something else than a stage's settings.

    For a command that is run by hand. Where DVC runs it, `settings` came first.
    """
    sections = params.read()
    kind, _, name = stage.partition("@")
    if kind in NAMED and name not in (known := params.names(sections, NAMED[kind])):
        of_all = ", ".join(known)
        raise KlayerError(f"params.yaml: {NAMED[kind]} has no {show(name)} (known: {of_all})")
    now = of_stages(sections)
    for file in FILES.get(stage, (stage,)):
        compare(SETTINGS / f"{file}.json", now[file], read_settings(file), stage)


def compare(path: Path, now: Mapping[str, Any], recorded: Mapping[str, Any], stage: str) -> None:
    """Raises KlayerError for the first key of which params.yaml and a file of settings differ."""
    if found := _difference(json.loads(json.dumps(now)), recorded):
        key, *values = found
        ours, theirs = ("left out" if value is None else show(value) for value in values)
        raise KlayerError(
            f"{key} is {ours} in params.yaml and {theirs} in {path}, which `dvc repro` wrote "
            f"before: run `dvc repro {stage}`"
        )


def _difference(now: Any, recorded: Any, path: str = "") -> tuple[str, Any, Any] | None:
    if not (isinstance(now, dict) and isinstance(recorded, dict)):
        return None if now == recorded else (path, now, recorded)
    keys = sorted({*now, *recorded})
    inner = (
        _difference(now.get(key), recorded.get(key), f"{path}.{key}" if path else key)
        for key in keys
    )
    return next(filter(None, inner), None)


def leftovers(sections: Sections) -> list[Path]:
    """The files and folders with results of runs that params.yaml does not have, as after an
    experiment was renamed: Git keeps them, and `dvc plots show` draws them.
    """
    known = set(run_names(sections))
    found = [path for pattern in RESULTS for path in sorted(Path().glob(pattern))]
    return [path for path in found if path.stem not in known]


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
