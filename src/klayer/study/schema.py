"""params.schema.json, from which editors complete, check and explain params.yaml.

`python -m klayer.study.schema` writes it anew; params.yaml names it in its first line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from klayer.data.sources import DataConfig
from klayer.files import write_text
from klayer.study.gradient_settings import CheckGradients
from klayer.study.search_settings import Search
from klayer.training.settings import Training

SCHEMA = Path("params.schema.json")
NAME = "^[A-Za-z0-9_-]+$"


def schema() -> dict[str, Any]:
    """The JSON schema of params.yaml, of the classes that check its sections."""
    changes = Training.model_json_schema()
    del changes["required"]
    changes |= {"type": ["object", "null"], "description": "What differs from `training`."}
    one = {"$ref": "#/$defs/changes"}
    by_name = {"type": "object", "additionalProperties": False, "patternProperties": {NAME: one}}
    search = Search.model_json_schema()
    search["properties"]["training"] |= one
    search["properties"]["schedules"] |= by_name
    described = {"description": "What each experiment changes of `training`, by its name."}
    definitions = search.pop("$defs", {}) | {"changes": changes}
    sections = {
        "data": DataConfig.model_json_schema(),
        "training": Training.model_json_schema(),
        "experiments": described | by_name,
        "check_gradients": CheckGradients.model_json_schema(),
        "search": search,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "params.yaml of klayer",
        "type": "object",
        "additionalProperties": False,
        "required": [*sections],
        "properties": sections,
        "$defs": definitions,
    }


def text() -> str:
    """The file as it is written."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    write_text(SCHEMA, text())
