"""Reading sections of params.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from klayer import params
from klayer.errors import KlayerError


class Sample(params.Section):
    rate: float
    steps: int
    name: str = "plain"


def loaded_from(text: str, folder: Path) -> dict[str, Any]:
    (folder / "params.yaml").write_text(text)
    return params.read(folder / "params.yaml")


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("1E5", 1e5), ("1.0e-5", 1e-5), ("2", 2.0), (".5", 0.5)]
)
def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path, text: str, value: float) -> None:
    loaded = loaded_from(f"a: {{rate: {text}, steps: 1}}", tmp_path)
    assert params.section(loaded, "a", Sample).rate == value


def test_a_section_inside_another(tmp_path: Path) -> None:
    loaded = loaded_from("a: {b: {rate: 1.0, steps: 2}}", tmp_path)
    assert params.section(loaded, "a.b", Sample) == Sample(rate=1.0, steps=2)


def test_changes_over_defaults(tmp_path: Path) -> None:
    loaded = loaded_from("a: {rate: 1.0, steps: 2}\nb: {c: {steps: 3}}", tmp_path)
    assert params.section_over(loaded, "a", "b.c", Sample) == Sample(rate=1.0, steps=3)
    assert loaded["a"]["steps"] == 2


def test_a_section_cannot_be_changed(tmp_path: Path) -> None:
    section = params.section(loaded_from("a: {rate: 1.0, steps: 2}", tmp_path), "a", Sample)
    with pytest.raises(ValueError, match="frozen"):
        section.steps = 3


def test_names_of_a_section(tmp_path: Path) -> None:
    assert params.names(loaded_from("a: {one: 1, two-2: 2}", tmp_path), "a") == ["one", "two-2"]


def test_an_error_over_defaults_names_the_section_that_holds_the_value(tmp_path: Path) -> None:
    loaded = loaded_from("a: {rate: x, steps: 2}\nb: {c: {steps: y}}", tmp_path)
    with pytest.raises(KlayerError) as caught:
        params.section_over(loaded, "a", "b.c", Sample)
    assert str(caught.value).splitlines() == [
        "params.yaml: a.rate is 'x', it has to be a number, without quotes (for b.c)",
        "params.yaml: b.c.steps is 'y', it has to be a whole number",
    ]


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(KlayerError, match=r"cannot be used \(Is a directory\): move away"):
        params.read(tmp_path)
