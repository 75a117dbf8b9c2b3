"""params.schema.json is what the settings' classes say, and explains every setting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import ROOT
from klayer.study.schema import SCHEMA, STUDIES, texts


@pytest.mark.parametrize("path", [SCHEMA, STUDIES])
def test_the_file_is_what_the_classes_say(path: Path) -> None:
    assert (ROOT / path).read_text() == texts()[path]


@pytest.mark.parametrize("folder", [".", "studies"])
def test_params_names_it_in_its_first_line(folder: str) -> None:
    first = (ROOT / folder / "params.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={SCHEMA}"


def test_every_setting_is_explained() -> None:
    schema = json.loads(texts()[SCHEMA])
    sections = [*schema["properties"].values(), *schema["$defs"].values()]
    settings = [(n, s) for section in sections for n, s in section.get("properties", {}).items()]
    assert len(settings) > 40
    assert [name for name, setting in settings if not setting.get("description")] == []
