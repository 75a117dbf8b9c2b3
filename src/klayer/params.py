"""Reads params.yaml, and the file of settings that each stage gets from it; names a wrong key.

A stage does not read params.yaml, but the file that the stage `settings` wrote for it. DVC records
this file, so it records the settings of the run, even when params.yaml is edited meanwhile.
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
SETTINGS = Path("data/settings")  # the stage `settings` writes a file for each stage
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
    except Exception as error:  # for a text that is not YAML, the reader raises almost anything
        raise KlayerError(f"{path} cannot be read as YAML: {one_line(error)}") from error
    if not isinstance(params, dict):
        raise KlayerError(f"{path} has to hold sections such as `training:`, not {params!r:.50}")
    return params


def check(kind: type[S], sections: Mapping[str, Any], path: str = "") -> S:
    """The sections of params.yaml, or those of its section `path`, as an object of a class.

    Raises KlayerError with a line for each wrong key.
    """
    try:
        return kind.model_validate(sections)
    except ValidationError as error:
        problems = error.errors()
        # Consequences are not named: a list with a wrong value is also too short, and a wrong value
        # of `training` is wrong in every experiment, which lies deeper.
        problems = [p for p in problems if p["type"] != "too_short"] or problems
        depth = min(len(p["loc"]) for p in problems)
        lines = [_explain(p, path) for p in problems if len(p["loc"]) == depth]
        raise KlayerError("\n".join(lines)) from None


def read_settings(stage: str, folder: Path = SETTINGS) -> dict[str, Any]:
    """The settings that were written for a stage, without the versions of libraries.

    Raises KlayerError when it is missing or damaged.
    """
    path = folder / f"{stage}.json"
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        settings.pop("libraries")  # only DVC compares them
    except FileNotFoundError:
        known = ", ".join(sorted(other.stem for other in folder.glob("*.json")))
        raise KlayerError(
            f"{path} is missing: run `dvc repro`, which writes it from params.yaml (known: {known})"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KlayerError(f"{path} is damaged ({error!r}): {REWRITE}") from None
    return settings


def stage_settings(stage: str, kind: type[S], folder: Path = SETTINGS, **known: Any) -> S:
    """The settings of a stage, see `read_settings`, with `known` ones, as an object of a class.

    Raises KlayerError also when the file has other keys or values than the class allows.
    """
    try:
        return kind.model_validate(read_settings(stage, folder) | known)
    except ValidationError:
        raise KlayerError(f"{folder / stage}.json was written by other code: {REWRITE}") from None


def _explain(problem: Any, path: str) -> str:
    """A line on a wrong key: its path, its value, and pydantic's message."""
    keys = [path, *map(str, problem["loc"])] if path else [*map(str, problem["loc"])]
    message, value = problem["msg"].removeprefix("Value error, "), problem["input"]
    if problem["type"] == "value_error" and isinstance(value, dict):
        return f"params.yaml: {'.'.join([*keys, message])}"  # the message begins with the key
    where = ".".join(keys).removesuffix(".[key]")
    if problem["type"] == "missing":
        return f"params.yaml: {where} is missing: add it"
    return f"params.yaml: {where} is {reprlib.repr(value)}: {message[0].lower()}{message[1:]}"
