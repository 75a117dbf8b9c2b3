"""Reads params.yaml and what the stage `settings` made of it, and names the key that is wrong.

A stage that trains does not read params.yaml: it reads the file that `settings` wrote for it, on
which it depends. So DVC records the settings that it ran with, whatever is edited meanwhile.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from klayer.errors import KlayerError, one_line

PARAMS = Path("params.yaml")
SETTINGS = Path("data/settings")  # a file for each stage, of the stage `settings`
S = TypeVar("S", bound=BaseModel)


def read(path: Path = PARAMS) -> dict[str, Any]:
    """The sections of params.yaml. YAML 1.2, as DVC reads it: 1e-3 is a number.

    Raises KlayerError when the file cannot be read, is not YAML, or is not a mapping.
    """
    try:
        params = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise KlayerError(f"{path} is missing here: run klayer in the project's folder") from None
    except OSError as error:
        raise KlayerError(one_line(error)) from error
    except Exception as error:  # a text that is not YAML makes the reader raise almost anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise KlayerError(f"{path} cannot be read as YAML: {reason}") from error
    if not isinstance(params, dict):
        raise KlayerError(f"{path} has to hold sections such as `training:`, not {show(params)}")
    return params


def names(params: Mapping[str, Any], path: str) -> list[str]:
    """The keys of the section at a dotted path."""
    for key in path.split("."):
        params = params[key]
    return list(params)


def check(kind: type[S], sections: Mapping[str, Any], path: str = "") -> S:
    """The sections of params.yaml, or of its section `path`, as a class has them.

    Raises KlayerError with a line for each key that is wrong, also for one that looks misspelt
    where a class leaves others alone.
    """
    for name in sections.keys() - kind.model_fields.keys() if not path else ():
        for meant in get_close_matches(str(name).lower(), kind.model_fields, 1, 0.8):
            raise KlayerError(
                f"params.yaml: {show(name)} is not a known section: did you mean {meant}? (a "
                "section of your own needs a name that is less like it)"
            )
    try:
        return kind.model_validate(sections)
    except ValidationError as error:
        problems = error.errors()  # a list with a wrong value is too short besides
        problems = [p for p in problems if p["type"] != "too_short"] or problems
        first = min(len(p["loc"]) for p in problems)  # as defaults make wrong what changes them
        lines = [_explain(kind, p, path) for p in problems if len(p["loc"]) == first]
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
        raise KlayerError(f"{path} is missing: run `dvc repro`, which writes it first") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KlayerError(
            f"{path} is damaged ({error!r}): run `dvc repro --force --single-item settings`"
        ) from None
    return settings


def of_stage(stage: str, kind: type[S], folder: Path = SETTINGS, **known: Any) -> S:
    """The settings of a stage, as `read_settings` reads them, with what else is known.

    Raises KlayerError also when they are not those that klayer would write now.
    """
    try:
        return kind.model_validate({**read_settings(stage, folder), **known})
    except ValidationError as error:
        keys = ".".join(map(str, error.errors()[0]["loc"]))
        raise KlayerError(
            f"{folder / stage}.json was written by other code, {keys} does not fit: run "
            "`dvc repro --force --single-item settings`"
        ) from None


def show(value: object) -> str:
    """A value for a message, shortened."""
    return reprlib.repr(value)


def _explain(kind: type[BaseModel], problem: Any, path: str) -> str:
    """A line about a wrong key: where it stands, its value, and what pydantic says of it."""
    keys = [key for key in problem["loc"] if key != "[key]"]
    where = ".".join([*filter(None, [path]), *map(_plain, keys)])
    message = problem["msg"].removeprefix("Value error, ")
    match problem["type"]:
        case "missing":
            return f"params.yaml: {where} is missing: add it"
        case "extra_forbidden":
            return f"params.yaml: {where} {unknown_key(_section(kind, keys[:-1]), keys[-1])}"
        case "value_error" if isinstance(problem["input"], dict):
            return f"params.yaml: {where}{': ' if where else ''}{message}"
    return f"params.yaml: {where} is {show(problem['input'])}: {message[0].lower()}{message[1:]}"


def unknown_key(kind: type[BaseModel], key: object) -> str:
    """What is wrong with a key that a section does not have."""
    if new := getattr(kind, "renamed", {}).get(key):
        return f"is the old name: write {new}"
    close = get_close_matches(str(key), kind.model_fields, 1)
    known = f"remove it (known: {', '.join(kind.model_fields)})"
    return f"is not a known key: {f'did you mean {close[0]}?' if close else known}"


def _section(kind: type[BaseModel], keys: Sequence[Any]) -> type[BaseModel]:
    """The class of the section that lies there, names of experiments and the like passed over."""
    for key in keys:
        if field := kind.model_fields.get(key):
            kind = next(_classes(field.annotation), kind)
    return kind


def _classes(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _classes(inner)


def _plain(key: object) -> str:
    """A key as it stands in a dotted path; an odd one in quotes, so that a line stays a line."""
    text = str(key)
    return text if re.fullmatch(r"[\w-]+", text) else show(key)
