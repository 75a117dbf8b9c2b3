"""params.schema.json, from which editors complete, check and explain params.yaml: the project's and
that of studies/.

`python -m klayer.study.schema` writes both anew; params.yaml names it in its first line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from klayer.files import write_text
from klayer.params import NAME
from klayer.settings import CheckGradients, DataConfig, Own, Search, Study, Training

SCHEMA, STUDIES = Path("params.schema.json"), Path("studies/params.schema.json")


def schema() -> dict[str, Any]:
    """The JSON schema of params.yaml, of the classes that check its sections."""
    search = Search.model_json_schema()
    search["properties"]["training"] |= {"$ref": "#/$defs/changes"}
    search["properties"]["schedules"] |= _named({"$ref": "#/$defs/changes"})
    sections = {
        "data": DataConfig.model_json_schema(),
        "training": Training.model_json_schema(),
        "experiments": {
            "description": "What each experiment changes of `training`, by its name.",
            **_named({"$ref": "#/$defs/changes"}),
        },
        "check_gradients": CheckGradients.model_json_schema(),
        "search": search,
    }
    return _file("params.yaml of klayer", sections, search.pop("$defs", {}))


def studies_schema() -> dict[str, Any]:
    """The JSON schema of studies/params.yaml."""
    study = Study.model_json_schema()
    changes = {"$ref": "#/$defs/changes"}
    own = {"properties": Own.model_json_schema()["properties"]}
    study["properties"]["training"] |= changes
    study["properties"]["variants"] |= _named({"anyOf": [changes, own]})
    definitions = {**study.pop("$defs", {}), **Own.model_json_schema()["$defs"]}
    sections = {
        "training": Training.model_json_schema(),
        "studies": {"description": "The studies, by their names.", **_named(study)},
    }
    return _file("studies/params.yaml of klayer", sections, definitions)


def _file(title: str, sections: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "required": [*sections],
        "properties": sections,
        "$defs": definitions | {"changes": _changes()},
    }


def _changes() -> dict[str, Any]:
    """The same keys, none of which is required; none at all is `null` in YAML."""
    section = Training.model_json_schema()
    section.pop("required")
    return section | {"type": ["object", "null"], "description": "What differs from `training`."}


def _named(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {NAME: values},
    }


def texts() -> dict[Path, str]:
    """The files as they are written."""
    files = {SCHEMA: schema(), STUDIES: studies_schema()}
    return {path: json.dumps(content, indent=2) + "\n" for path, content in files.items()}


if __name__ == "__main__":
    for path, content in texts().items():
        write_text(path, content)
