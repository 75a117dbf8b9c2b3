"""Reads params.yaml, and checks a section of it against a class, strictly.

A stage that trains does not read it: it takes what the stage `settings` wrote for it, on which it
depends. So DVC records the settings that it ran with, whatever is edited meanwhile.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML

from klayer.errors import KlayerError, one_line

PARAMS = Path("params.yaml")
SETTINGS = Path("data/settings")  # a file for each stage, of the stage `settings`
NAME = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$"


class Section(BaseModel):
    """A section of params.yaml: no unknown and no missing keys, no conversions, finite numbers."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
    renamed: ClassVar[Mapping[str, str]] = {}  # old names of keys, and the new ones


S = TypeVar("S", bound=Section)

# What pydantic says of a wrong type, in words for someone who edits a file.
TYPES = {
    "bool_type": "true or false",
    "dict_type": "a section of keys",
    "float_type": "a number, without quotes",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a section of keys",
    "string_type": "a text",
    "tuple_type": "a list",
}


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


def section(params: Mapping[str, Any], path: str, kind: type[S]) -> S:
    """The section at a dotted path, checked. Raises KlayerError, which names key and value."""
    return _validate(kind, _mapping(params, path), lambda key: (path, ""))


def section_over(params: Mapping[str, Any], base: str, path: str, kind: type[S]) -> S:
    """The section at `base` with what the one at `path` changes, checked as a whole."""
    changes = _mapping(params, path)
    merged = {**_mapping(params, base), **changes}
    return _validate(
        kind, merged, lambda key: (path, "") if key in changes else (base, f" (for {path})")
    )


def names(params: Mapping[str, Any], path: str) -> list[str]:
    """The keys of the section at a dotted path.

    Raises KlayerError for one that could not be part of a dotted path and of a file's name, or
    that a command would take for an option.
    """
    for key in (keys := _mapping(params, path)):
        if not (isinstance(key, str) and re.fullmatch(NAME, key)):
            raise KlayerError(
                f"params.yaml: {path} has the name {show(key)}, it has to be made of letters, "
                "digits, _ and -, at most 100, and not to begin with -"
            )
    return list(keys)


def read_settings(stage: str, folder: Path = SETTINGS) -> dict[str, Any]:
    """What the stage `settings` wrote for a stage, without the versions of libraries.

    Raises KlayerError when it is missing or damaged.
    """
    path = folder / f"{stage}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found.pop("libraries")  # which are there for DVC to compare
    except FileNotFoundError:
        raise KlayerError(f"{path} is missing: run `dvc repro`, which writes it first") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KlayerError(
            f"{path} is damaged ({error!r}): run `dvc repro --force --single-item settings`"
        ) from None
    return found


def of_stage(stage: str, kind: type[S], **known: Any) -> S:
    """The settings of a stage, as `read_settings` reads them, with what else is known.

    Raises KlayerError also when they are not those that klayer would write now.
    """
    try:
        return kind.model_validate({**read_settings(stage), **known})
    except ValidationError as error:
        keys = ".".join(map(str, error.errors()[0]["loc"]))
        raise KlayerError(
            f"{SETTINGS / stage}.json was written by other code, {keys} does not fit: run "
            "`dvc repro --force --single-item settings`"
        ) from None


def show(value: object) -> str:
    """A value for a message, shortened."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "a number of too many digits"


def _mapping(params: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    value: Any = params
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            raise KlayerError(f"params.yaml: {path} is missing: add the section")
        value = value[key]
    if not isinstance(value, dict):
        raise KlayerError(f"params.yaml: {path} is {show(value)}, it has to be a section of keys")
    return value


def _validate(
    kind: type[S], values: Mapping[str, Any], home: Callable[[object], tuple[str, str]]
) -> S:
    """`home` tells where a key stands in the file, and for which section it is used there."""
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        lines = [_explain(problem, home, kind) for problem in _causes(error)]
        raise KlayerError("\n".join(lines)) from None


def _causes(error: ValidationError) -> list[Any]:
    """Without lists that are too short only because one of their values is wrong."""
    problems = error.errors()
    inside = {problem["loc"][:n] for problem in problems for n in range(len(problem["loc"]))}
    return [p for p in problems if not (p["type"] == "too_short" and p["loc"] in inside)]


def _explain(problem: Any, home: Callable[[object], tuple[str, str]], kind: type[Section]) -> str:
    keys, value = problem["loc"], show(problem["input"])
    section_path, purpose = home(keys[0])
    where = ".".join([section_path, *(_plain(key) for key in keys)])
    match problem["type"]:
        case "missing":
            return f"params.yaml: {where} is missing: add it"
        case "extra_forbidden" | "invalid_key":
            if new := kind.renamed.get(str(keys[-1])):
                return f"params.yaml: {where} is the old name: write {new}"
            known = f" (known: {', '.join(kind.model_fields)})" if len(keys) == 1 else ""
            close = get_close_matches(str(keys[-1]), kind.model_fields, 1)
            if close and known:
                return f"params.yaml: {where} is not a known key: did you mean {close[0]}?"
            return f"params.yaml: {where} is not a known key: remove it{known}"
        case "too_short":
            allowed = f"a list of at least {problem['ctx']['min_length']}"
        case other:
            message = problem["msg"].removeprefix("Value error, ")
            allowed = TYPES.get(other, message.removeprefix("Input should be "))
    return f"params.yaml: {where} is {value}, it has to be {allowed}{purpose}"


def _plain(key: object) -> str:
    """A key as it stands in a dotted path; an odd one in quotes, so that a line stays a line."""
    text = str(key)
    return text if re.fullmatch(r"[\w-]+", text) else show(key)
