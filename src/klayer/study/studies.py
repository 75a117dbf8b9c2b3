"""The studies beside the report: questions whose networks are a few lines of studies/params.yaml.

A study trains *variants*, each what it changes of `training`. `across` gives a setting several
values, each for every variant; lists of equal length go along with the first one. A variant may
have values of its own, all combinations of a `grid` or `random` draws, as a search has them. Each
combination is trained with every seed, a network alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from klayer import params
from klayer.errors import KlayerError
from klayer.params import Section, show
from klayer.training.job import Job
from klayer.training.settings import Training

Changes = dict[str, Any]
Lists = dict[str, list[Any]]
Sections = Mapping[str, Any]  # of studies/params.yaml

Range = Annotated[tuple[float, float], Field(strict=False)]

OWN = ("grid", "random")
DIGITS = 3  # of a drawn value


class Random(Section):
    """Values drawn anew for each seed, evenly in their logarithm."""

    count: Annotated[int, Field(ge=1, le=10_000)]
    """How many."""
    ranges: dict[str, Range]
    """Smallest and largest value of each setting, above 0."""

    @field_validator("ranges")
    @classmethod
    def _rise(cls, ranges: dict[str, Range]) -> dict[str, Range]:
        if not all(0 < low <= high for low, high in ranges.values()):
            raise ValueError("ranges from a value above 0 to one that is not smaller")
        return ranges


class Own(Section):
    """Values that a variant has for itself."""

    grid: Lists = Field(default={})
    """Values of each setting, all combinations of them."""
    random: Random | None = None
    """Drawn values."""


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
    """Whether the test images are looked at; a search leaves them alone."""

    @field_validator("across")
    @classmethod
    def _fits(cls, across: Lists, info: ValidationInfo) -> Lists:
        if across and (len({len(values) for values in across.values()}) > 1 or not _first(across)):
            raise ValueError("lists of equal length, of at least one value")
        ask = info.data.get("ask")
        if ask in ("range", "best_value") and not (across and len(_first(across)) > 1):
            raise ValueError(f"a list of at least two values, where ask is {ask}")
        if ask == "best_value" and not all(_positive(value) for value in _first(across)):
            raise ValueError("a list of numbers above 0, where ask is best_value")
        return across


@dataclass(frozen=True)
class Trial:
    """A network of a study."""

    variant: str
    value: str  # of the setting that varies, as the tables show it; "" where none does
    changes: Changes  # what varies besides the variant
    training: Training  # with one seed

    @property
    def job(self) -> Job:
        """The network, to be trained alone."""
        return Job(self.training, (self.training.l2,), self.training.seeds)


def study_names(sections: Sections) -> list[str]:
    """The names of all studies."""
    return params.names(sections, "studies")


def study_of(sections: Sections, name: str) -> Study:
    """A study by its name. Raises KlayerError for one that is none, or wrong."""
    if name not in study_names(sections):
        known = ", ".join(study_names(sections))
        raise KlayerError(f"params.yaml: studies has no {show(name)} (known: {known})")
    return params.section(sections, f"studies.{name}", Study)


def trials(sections: Sections, name: str) -> list[Trial]:
    """All networks of a study, by variant, value and seed. Raises KlayerError for a wrong one."""
    study = study_of(sections, name)
    return [
        Trial(variant, value, changes, training.model_copy(update={"seeds": (seed,)}))
        for variant in params.names(sections, f"studies.{name}.variants")
        for value, changes, seeds in _values(sections, name, study, variant)
        for training in [_training(sections, name, study, variant, changes)]
        for seed in seeds or training.seeds
    ]


def _values(
    sections: Sections, name: str, study: Study, variant: str
) -> Iterator[tuple[str, Changes, Sequence[int]]]:
    """Name and changes of each value of a variant, with its seeds where not all have it."""
    changed = study.variants[variant] or {}
    about = {variant: {key: changed[key] for key in OWN if key in changed}}
    path, named = f"studies.{name}.variants", {"studies": {name: {"variants": about}}}
    own = params.section(named, f"{path}.{variant}", Own)
    if own.random:
        for seed in _training(sections, name, study, variant, {}).seeds:
            for number, changes in enumerate(draws(own.random, seed), 1):
                yield str(number), changes, (seed,)
    elif own.grid:
        for number, values in enumerate(product(*own.grid.values()), 1):
            yield str(number), dict(zip(own.grid, values, strict=True)), ()
    elif study.across:
        for values in zip(*study.across.values(), strict=True):
            yield label(values[0]), dict(zip(study.across, values, strict=True)), ()
    else:
        yield "", {}, ()


def draws(random: Random, seed: int) -> list[Changes]:
    """The values of a random search, with three digits: what is written is what is trained."""
    generator = np.random.default_rng(seed)
    low, high = np.log10(np.array([*random.ranges.values()])).T
    drawn = 10 ** generator.uniform(low, high, (random.count, len(low)))
    return [
        {key: float(f"{x:.{DIGITS - 1}e}") for key, x in zip(random.ranges, row, strict=True)}
        for row in drawn.tolist()
    ]


def label(value: object) -> str:
    """A value as tables and charts show it: units of hidden layers as 50-50, many as 9 layers."""
    if isinstance(value, list):
        numbers = all(isinstance(part, int) for part in value)
        if numbers and len(value) > 3:
            return f"{len(value) + 1} layers"
        return ("-" if numbers else " ").join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _training(
    sections: Sections, name: str, study: Study, variant: str, changes: Changes
) -> Training:
    own = {k: v for k, v in (study.variants[variant] or {}).items() if k not in OWN}
    merged = {"training": sections["training"], "studies": {name: study.training | own | changes}}
    return params.section_over(merged, "training", f"studies.{name}", Training)


def _first(across: Lists) -> list[Any]:
    return next(iter(across.values()))


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
