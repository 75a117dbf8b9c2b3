"""params.schema.json is what the settings' classes say, and explains every setting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import ROOT
from tools.schema import SCHEMAS, texts


@pytest.mark.parametrize("path", SCHEMAS)
def test_the_file_is_what_the_classes_say_and_is_named_first_in_params(path: Path) -> None:
    assert (ROOT / path).read_text() == texts()[path], "run `python tools/schema.py`"
    first = (ROOT / path).with_name("params.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={path.name}"


@pytest.mark.parametrize("path", SCHEMAS)
def test_every_setting_is_explained(path: Path) -> None:
    sections = json.loads(texts()[path])["$defs"].values()
    settings = [(n, s) for section in sections for n, s in section.get("properties", {}).items()]
    assert len(settings) > 40
    assert [name for name, setting in settings if not setting.get("description")] == []


def test_a_run_may_change_what_training_has_to_have() -> None:
    schema = json.loads(texts()[Path("params.schema.json")])
    (experiment,) = schema["properties"]["experiments"]["patternProperties"].values()
    assert experiment == {"$ref": "#/$defs/Changes"}
    defined = schema["$defs"]
    assert defined["Changes"]["properties"] == defined["Training"]["properties"]
    assert "required" not in defined["Changes"]
    assert "hidden" in defined["Training"]["required"]
