"""A study, as a section of `studies` in studies/params.yaml."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from klayer.params import Section

Changes = dict[str, Any]
Lists = dict[str, Annotated[list[Any], Field(min_length=1)]]
Range = Annotated[tuple[float, float], Field(strict=False)]

COMPARING = ("gain", "range", "best_value", "best_gain")  # other variants with the first


class Random(Section):
    """Values drawn anew for each seed, evenly in their logarithm."""

    count: Annotated[int, Field(ge=1, le=10_000)]
    """How many."""
    ranges: Annotated[dict[str, Range], Field(min_length=1)]
    """Smallest and largest value of each setting, above 0."""

    @field_validator("ranges")
    @classmethod
    def _rise(cls, ranges: dict[str, Range]) -> dict[str, Range]:
        if not all(0 < low < high for low, high in ranges.values()):
            raise ValueError("ranges from a value above 0 to a larger one")
        return ranges


class Own(Section):
    """Values that a variant has for itself."""

    grid: Lists = Field(default={})
    """Values of each setting, all combinations of them."""
    random: Random | None = None
    """Drawn values, instead of a grid."""

    @field_validator("random")
    @classmethod
    def _instead(cls, random: Random | None, info: ValidationInfo) -> Random | None:
        if random and info.data.get("grid"):
            raise ValueError("left out beside a grid: make two variants of them")
        return random


class Study(Section):
    """A question, and the networks that answer it."""

    question: str
    """The title of its section on the page."""
    ask: Literal["gain", "range", "best_value", "best_gain", "statistics", "level"]
    """What the answer is computed of, see docs/studies.md."""
    variants: Annotated[dict[str, Changes | None], Field(min_length=1)]
    """What each changes, by its name; the first is the one that others are compared with."""
    training: Changes = Field(default={})
    """What all variants change of the section `training`."""
    across: Lists = Field(default={}, validate_default=True)
    """Values of a setting, all for each variant; further lists go along with the first one."""
    test: bool = True
    """Whether the test images are looked at; a search leaves them alone (ask: level)."""

    @field_validator("variants", mode="before")
    @classmethod
    def _texts(cls, variants: object) -> object:
        for key in variants if isinstance(variants, dict) else ():
            if not isinstance(key, str):
                raise ValueError(f"a section of names: write {key!r} in quotes")
        return variants

    @field_validator("variants")
    @classmethod
    def _enough(cls, variants: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        ask = info.data.get("ask")
        if ask in COMPARING and len(variants) < 2:
            raise ValueError(f"at least two to compare, where ask is {ask} (for one, ask: level)")
        if ask == "statistics" and len(variants) > 1:
            raise ValueError("one alone, where ask is statistics: make a study of each")
        return variants

    @field_validator("across")
    @classmethod
    def _fits(cls, across: Lists, info: ValidationInfo) -> Lists:
        ask = info.data.get("ask")
        if len({len(values) for values in across.values()}) > 1:
            raise ValueError("lists of equal length")
        if ask in ("range", "best_value") and not (across and len(_first(across)) > 1):
            raise ValueError(f"a list of at least two values, where ask is {ask}")
        if ask == "best_value" and not all(_positive(value) for value in _first(across)):
            raise ValueError("a list of numbers above 0, where ask is best_value")
        return across

    @field_validator("test")
    @classmethod
    def _needed(cls, test: bool, info: ValidationInfo) -> bool:
        ask = info.data.get("ask", "level")
        if not test and ask != "level":
            raise ValueError(f"true, where ask is {ask}: without test images, ask: level")
        return test


def _first(across: Lists) -> list[Any]:
    return next(iter(across.values()))


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
