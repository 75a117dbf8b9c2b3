"""Reads params.yaml and checks a section of it against a class, strictly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from klayer.errors import KlayerError

PARAMS = Path("params.yaml")


class Section(BaseModel):
    """A section of params.yaml: no unknown and no missing keys, no conversions, finite numbers."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


S = TypeVar("S", bound=Section)


def read(path: Path = PARAMS) -> dict[str, Any]:
    """The sections of params.yaml. YAML 1.2, as DVC reads it: 1e-3 is a number.

    Raises KlayerError when the file is missing, is not YAML, or is not a mapping.
    """
    try:
        params = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise KlayerError(f"{path} is missing here: run klayer in the project's folder") from None
    except (YAMLError, OSError, ValueError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise KlayerError(f"{path} cannot be read as YAML: {reason}") from error
    if not isinstance(params, dict):
        raise KlayerError(f"{path} has to hold sections such as `training:`, not {_show(params)}")
    return params


def section(params: Mapping[str, Any], path: str, kind: type[S]) -> S:
    """The section at a dotted path, checked. Raises KlayerError, which names key and value."""
    return _validate(kind, _mapping(params, path), lambda key: path)


def section_over(params: Mapping[str, Any], base: str, path: str, kind: type[S]) -> S:
    """The section at `base` with what the one at `path` changes, checked as a whole."""
    changes = _mapping(params, path)
    merged = {**_mapping(params, base), **changes}
    return _validate(kind, merged, lambda key: path if key in changes else base)


def names(params: Mapping[str, Any], path: str) -> list[str]:
    """The keys of the section at a dotted path."""
    return [str(key) for key in _mapping(params, path)]


def _mapping(params: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    value: Any = params
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            raise KlayerError(f"params.yaml: {path} is missing: add the section")
        value = value[key]
    if not isinstance(value, dict):
        raise KlayerError(f"params.yaml: {path} is {_show(value)}, it has to be a section of keys")
    return value


def _validate(kind: type[S], values: Mapping[str, Any], home: Any) -> S:
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        lines = [_explain(problem, home, kind) for problem in error.errors()]
        raise KlayerError("\n".join(lines)) from None


def _explain(problem: Any, home: Any, kind: type[Section]) -> str:
    location = [str(part) for part in problem["loc"]]
    where = ".".join([home(location[0] if location else ""), *location])
    if problem["type"] == "missing":
        return f"params.yaml: {where} is missing: add it"
    if problem["type"] == "extra_forbidden":
        known = ", ".join(kind.model_fields)
        return f"params.yaml: {where} is not a known key: {_show(problem['input'])} (known: {known})"
    allowed = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"params.yaml: {where} is {_show(problem['input'])}, it has to be {allowed}"


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
