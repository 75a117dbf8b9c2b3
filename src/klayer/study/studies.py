"""The studies beside the report: questions whose networks are a few lines of studies/params.yaml.

A study trains *variants*, each what it changes of `training`. `across` gives a setting several
values, each for every variant; lists of equal length go along with the first one. A variant may
have values of its own, all combinations of a `grid` or `random` draws, as a search has them. Each
combination is trained with every seed, a network alone.

What could not be answered is refused here, before anything is trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from klayer import params
from klayer.errors import KlayerError
from klayer.params import show
from klayer.settings import Changes, Lists, Own, Random, Study, Training
from klayer.study.trial import Trial

Sections = Mapping[str, Any]  # of studies/params.yaml

OWN = ("grid", "random")
DIGITS = 3  # of a drawn value
MANY = 3  # hidden layers that are written out
BY_CHOICE = ("best_gain", "level")  # of chosen values: a variant may have its own
SAME = (
    "seeds",
    "statistics",
    "corruptions",
    "views",
)  # what is measured, of all networks of a study


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
    _check_keys(f"studies.{name}.training", study.training)
    _check_keys(f"studies.{name}.across", study.across, SAME)
    _check_different(f"studies.{name}.across", dict([*study.across.items()][:1]))
    found = [
        Trial(
            variant=variant,
            value=value,
            varied=shown,
            training=training.model_copy(update={"seeds": (seed,)}),
        )
        for variant in params.names(sections, f"studies.{name}.variants")
        for value, changes, shown, seeds in _values(sections, name, study, variant)
        for training in [_training(sections, name, study, variant, changes)]
        for seed in seeds or training.seeds
    ]
    _check_answerable(f"studies.{name}", study, found)
    return found


Value = tuple[str, Changes, dict[str, str], Sequence[int]]


def _values(sections: Sections, name: str, study: Study, variant: str) -> Iterator[Value]:
    """Name, changes and how they are shown of each value of a variant, with its seeds where not
    all have it.
    """
    own = _own(f"studies.{name}.variants.{variant}", study, study.variants[variant] or {})
    if own.random:
        seeds = _training(sections, name, study, variant, {}).seeds
        drawn = [(values, seed) for seed in seeds for values in draws(own.random, seed)]
        for number, (changes, seed) in enumerate(drawn, 1):
            yield str(number), changes, {key: label(x) for key, x in changes.items()}, (seed,)
        return
    lists = own.grid or study.across
    pairs = [[*zip(values, labels(values), strict=True)] for values in lists.values()]
    rows = zip(*pairs, strict=True) if study.across and not own.grid else product(*pairs)
    for number, row in enumerate(rows, 1):
        changes = {key: value for key, (value, _) in zip(lists, row, strict=True)}
        shown = {key: text for key, (_, text) in zip(lists, row, strict=True)}
        yield str(number) if own.grid else next(iter(shown.values()), ""), changes, shown, ()


def _own(path: str, study: Study, changed: Changes) -> Own:
    """The values that a variant has for itself, and whether its keys fit to what else varies."""
    fixed = {key: value for key, value in changed.items() if key not in OWN}
    *folders, variant = path.split(".")
    named: Changes = {variant: {key: changed[key] for key in OWN if key in changed}}
    for folder in reversed(folders):
        named = {folder: named}
    own = params.section(named, path, Own)
    ranges = own.random.ranges if own.random else {}
    _check_keys(path, fixed, SAME)
    _check_keys(f"{path}.grid", own.grid, SAME)
    _check_keys(f"{path}.random.ranges", ranges, SAME)
    _check_different(f"{path}.grid", own.grid)
    if (own.grid or own.random) and study.ask not in BY_CHOICE:
        raise KlayerError(
            f"params.yaml: {path} has values of its own, which {study.ask} cannot compare: move "
            "them to across, or ask best_gain"
        )
    for key in fixed:
        if key in (own.grid or ranges or study.across):
            raise KlayerError(
                f"params.yaml: {path}.{key} has no effect, as {key} varies for this variant: "
                "remove one of both"
            )
    return own


def draws(random: Random, seed: int) -> list[Changes]:
    """The values of a random search, with three digits: what is written is what is trained."""
    generator = np.random.default_rng(seed)
    ends = [[math.log10(end) for end in ends] for ends in random.ranges.values()]
    low, high = zip(*ends, strict=True)
    exponents = generator.uniform(low, high, (random.count, len(low))).tolist()
    return [
        {key: float(f"{10.0**x:.{DIGITS - 1}e}") for key, x in zip(random.ranges, row, strict=True)}
        for row in exponents
    ]


def labels(values: Sequence[object]) -> list[str]:
    """Short where this tells all values apart, else written out. Equal ones are shown alike."""
    short, whole = [label(value) for value in values], [_whole(value) for value in values]
    return short if len(set(short)) == len(set(whole)) else whole


def label(value: object) -> str:
    """Units of hidden layers as 50-50, many as 9 layers; numbers with six digits."""
    if isinstance(value, list) and len(value) > MANY and _numbers(value):
        return f"{len(value) + 1} layers"
    return f"{value:g}" if isinstance(value, float) else _whole(value)


def _whole(value: object) -> str:
    """Units of equal hidden layers as 4 \N{MULTIPLICATION SIGN} 50, numbers with all digits."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if not isinstance(value, list):
        return str(value)
    if len(value) > MANY and len(set(map(str, value))) == 1:
        return f"{len(value)} \N{MULTIPLICATION SIGN} {value[0]}"
    return ("-" if _numbers(value) else " ").join(map(str, value)) or "none"


def _numbers(value: list[object]) -> bool:
    return all(isinstance(part, int) for part in value)


def _training(
    sections: Sections, name: str, study: Study, variant: str, changes: Changes
) -> Training:
    own = {k: v for k, v in (study.variants[variant] or {}).items() if k not in OWN}
    merged = {"training": sections["training"], "studies": {name: study.training | own | changes}}
    return params.section_over(merged, "training", f"studies.{name}", Training)


def _check_keys(path: str, settings: Mapping[str, object], same: Sequence[str] = ()) -> None:
    for key in settings:
        if key not in Training.model_fields:
            known = ", ".join(Training.model_fields)
            raise KlayerError(
                f"params.yaml: {path}.{key} is not a known key: remove it (known: {known})"
            )
        if key in same:
            study = ".".join(path.split(".")[:2])
            raise KlayerError(
                f"params.yaml: {path}.{key} has to be the same for all networks of a study: move "
                f"it to {study}.training"
            )


def _check_different(path: str, lists: Lists) -> None:
    for key, values in lists.items():
        seen: dict[str, object] = {}
        for value, text in zip(values, labels(values), strict=True):
            if text in seen:
                raise KlayerError(
                    f"params.yaml: {path}.{key} has {show(seen[text])} and {show(value)}, which "
                    "are the same: remove one"
                )
            seen[text] = value


def _check_answerable(path: str, study: Study, found: Sequence[Trial]) -> None:
    if study.ask == "statistics" and not found[0].training.statistics:
        raise KlayerError(
            f"params.yaml: {path}.training has no statistics, where ask is statistics: add "
            "`statistics: [own, precise]`"
        )
    of_variant = {v: [t.training for t in found if t.variant == v] for v in study.variants}
    seen: list[str] = []
    for variant, trainings in of_variant.items():
        for other in seen:
            if of_variant[other] == trainings:
                raise KlayerError(
                    f"params.yaml: {path}.variants has {other} and {variant} with the same "
                    "settings: change or remove one"
                )
        seen.append(variant)
