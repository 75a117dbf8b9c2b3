"""params.schema.json, from which editors complete, check and explain params.yaml: the project's and
that of studies/.

`python tools/schema.py` writes both; params.yaml names its file in its first line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from klayer.settings import Params, Studies

SCHEMAS: dict[Path, type[Params | Studies]] = {
    Path("params.schema.json"): Params,
    Path("studies/params.schema.json"): Studies,
}


def schema(kind: type[Params | Studies]) -> dict[str, Any]:
    """The JSON schema of params.yaml, of the class that checks it.

    A run has all settings of `training` in the class, and only its changes in the file.
    """
    text = json.dumps(kind.model_json_schema())
    whole: dict[str, Any] = json.loads(text.replace("#/$defs/Training", "#/$defs/Changes"))
    defined, training = whole["$defs"], {"$ref": "#/$defs/Training"}
    whole["properties"]["training"] = training
    changes = {key: value for key, value in defined["Training"].items() if key != "required"}
    defined["Changes"] = changes | {"description": "What differs from `training`."}
    if kind is Studies:
        variant, study = defined["Variant"], defined["Study"]["properties"]
        own = {**variant["properties"], **changes["properties"]}
        variant |= {"type": ["object", "null"], "properties": own, "additionalProperties": False}
        study["training"] |= {"$ref": "#/$defs/Changes"}
    return whole


def texts() -> dict[Path, str]:
    """The files as they are written."""
    return {path: json.dumps(schema(kind), indent=2) + "\n" for path, kind in SCHEMAS.items()}


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")
