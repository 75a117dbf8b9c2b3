"""Reads params.yaml and what the stage `settings` made of it, and names the key that is wrong.

A stage that trains does not read params.yaml: it reads the file that `settings` wrote for it, on
which it depends. So DVC records the settings that it ran with, whatever is edited meanwhile.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from klayer.errors import KlayerError, one_line

PARAMS = Path("params.yaml")
SETTINGS = Path("data/settings")  # a file for each stage, of the stage `settings`
REWRITE = "run `dvc repro --force --single-item settings`"
S = TypeVar("S", bound=BaseModel)


def read(path: Path = PARAMS) -> dict[str, Any]:
    """The sections of params.yaml. YAML 1.2, as DVC reads it: 1e-3 is a number.

    Raises KlayerError when the file cannot be read, is not YAML, or is not a mapping.
    """
    try:
        params = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise KlayerError(f"{path} is missing here: run klayer in the project's folder") from None
    except Exception as error:  # a text that is not YAML makes the reader raise almost anything
        raise KlayerError(f"{path} cannot be read as YAML: {one_line(error)}") from error
    if not isinstance(params, dict):
        raise KlayerError(f"{path} has to hold sections such as `training:`, not {params!r:.50}")
    return params


def names(params: Mapping[str, Any], path: str) -> list[str]:
    """The keys of the section at a dotted path."""
    for key in path.split("."):
        params = params[key]
    return list(params)


def check(kind: type[S], sections: Mapping[str, Any], path: str = "") -> S:
    """The sections of params.yaml, or of its section `path`, as a class has them.

    Raises KlayerError with a line for each key that is wrong.
    """
    try:
        return kind.model_validate(sections)
    except ValidationError as error:
        problems = error.errors()  # a list with a wrong value is too short besides
        problems = [p for p in problems if p["type"] != "too_short"] or problems
        first = min(len(p["loc"]) for p in problems)  # as defaults make wrong what changes them
        lines = [_explain(p, path) for p in problems if len(p["loc"]) == first]
        raise KlayerError("\n".join(lines)) from None


def read_settings(stage: str, folder: Path = SETTINGS) -> dict[str, Any]:
    """What the stage `settings` wrote for a stage, without the versions of libraries.

    Raises KlayerError when it is missing or damaged.
    """
    path = folder / f"{stage}.json"
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        settings.pop("libraries")  # which are there for DVC to compare
    except FileNotFoundError:
        known = ", ".join(sorted(other.stem for other in folder.glob("*.json")))
        raise KlayerError(
            f"{path} is missing: run `dvc repro`, which writes it of params.yaml (known: {known})"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KlayerError(f"{path} is damaged ({error!r}): {REWRITE}") from None
    return settings


def of_stage(stage: str, kind: type[S], folder: Path = SETTINGS, **known: Any) -> S:
    """The settings of a stage, as `read_settings` reads them, with what else is known.

    Raises KlayerError also when they are not those that klayer would write now.
    """
    try:
        return kind.model_validate(read_settings(stage, folder) | known)
    except ValidationError:
        raise KlayerError(f"{folder / stage}.json was written by other code: {REWRITE}") from None


def _explain(problem: Any, path: str) -> str:
    """A line on a wrong key: where it stands, its value, and what pydantic says of it."""
    keys = [path, *map(str, problem["loc"])] if path else [*map(str, problem["loc"])]
    message, value = problem["msg"].removeprefix("Value error, "), problem["input"]
    if problem["type"] == "value_error" and isinstance(value, dict):
        return f"params.yaml: {'.'.join([*keys, message])}"  # it begins with the key
    where = ".".join(keys).removesuffix(".[key]")
    if problem["type"] == "missing":
        return f"params.yaml: {where} is missing: add it"
    return f"params.yaml: {where} is {reprlib.repr(value)}: {message[0].lower()}{message[1:]}"
