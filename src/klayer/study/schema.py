"""params.schema.json, from which editors complete, check and explain params.yaml.

`python -m klayer.study.schema` writes it anew; params.yaml names it in its first line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from klayer.data.sources import DataConfig
from klayer.files import write_text
from klayer.params import Section
from klayer.study.gradient_settings import CheckGradients
from klayer.study.search_settings import Search
from klayer.training.settings import Training

SCHEMA = Path("params.schema.json")
NAME = "^[A-Za-z0-9_-]+$"


def schema() -> dict[str, Any]:
    """The JSON schema of params.yaml, of the classes that check its sections."""
    changes = _changes(Training)
    search = _section(Search)
    search["properties"]["training"] |= {"$ref": "#/$defs/changes"}
    search["properties"]["schedules"] |= _named({"$ref": "#/$defs/changes"})
    sections = {
        "data": _section(DataConfig),
        "training": _section(Training),
        "experiments": {
            "description": "What each experiment changes of `training`, by its name.",
            **_named({"$ref": "#/$defs/changes"}),
        },
        "check_gradients": _section(CheckGradients),
        "search": search,
    }
    definitions = search.pop("$defs", {}) | {"changes": changes}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "params.yaml of klayer",
        "type": "object",
        "additionalProperties": False,
        "required": [*sections],
        "properties": sections,
        "$defs": definitions,
    }


def _section(kind: type[Section]) -> dict[str, Any]:
    return kind.model_json_schema()


def _changes(kind: type[Section]) -> dict[str, Any]:
    """The same keys, none of which is required; none at all is `null` in YAML."""
    section = kind.model_json_schema()
    section.pop("required")
    return section | {"type": ["object", "null"], "description": "What differs from `training`."}


def _named(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {NAME: values},
    }


def text() -> str:
    """The file as it is written."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    write_text(SCHEMA, text())
