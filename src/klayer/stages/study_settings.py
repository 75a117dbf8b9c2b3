"""Stage `settings` of studies/: checks params.yaml and writes down the networks of each study.

A study trains *variants*, each what it changes of `training`. `across` gives a setting several
values, each for every variant; lists of equal length go along with the first one. A variant may
have values of its own, all combinations of a `grid` or `random` draws, as a search has them. Each
combination is trained with every seed, a network alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from klayer import params
from klayer.data.dataset import open_dataset
from klayer.errors import KlayerError
from klayer.settings import Random, Studies, Study, Training, Trial, Trials, Variant
from klayer.stages.settings import name_leftovers, write

SETTINGS = Path("settings")
ALL = "all.studies"  # no study can have this name
DIGITS = 3  # of a drawn value
MANY = 3  # hidden layers that are written out


def run() -> None:
    """Writes settings/NAME.json for each study, and names files of studies that are gone.

    Raises KlayerError, before anything is written, where params.yaml is wrong, a batch is larger
    than the training images, or these are not prepared: later DVC would have removed results.
    """
    images, files = len(open_dataset().train), of_stages()
    for name in files.keys() - {ALL}:
        if max(network["training"]["batch_size"] for network in files[name]["networks"]) > images:
            raise KlayerError(
                f"params.yaml: batch_size of studies.{name} should be at most the {images} images"
            )
    write(SETTINGS, files, Path("../requirements.lock"), indent=1)
    name_leftovers(("metrics/*.json", "plots/*/*.csv"), files)


def of_stages() -> dict[str, Mapping[str, Any]]:
    """What is taken from params.yaml: the networks of each study, and all studies for the page.

    Raises KlayerError for what is wrong, or could not be answered.
    """
    sections = params.read()
    if "studies" not in sections:
        raise KlayerError("params.yaml has no studies: run `klayer studies ...` in studies/")
    checked = params.check(Studies, sections)
    files: dict[str, Mapping[str, Any]] = {ALL: {"studies": sections["studies"]}}
    for name, study in checked.studies.items():
        networks = trials(f"studies.{name}", study, checked.training)
        settings = Trials(networks=tuple(networks), test=study.test)
        files[name] = settings.model_dump(mode="json", exclude_defaults=True)
    return files


def trials(path: str, study: Study, training: Training) -> list[Trial]:
    """All networks of the study at a path, by variant, value and seed.

    Raises KlayerError for settings that are wrong together, and for equal values or variants.
    """
    networks: dict[str, list[Trial]] = {}
    defaults = training.model_dump()
    named = {"seeds": study.training.get("seeds", training.seeds)}
    seeds = params.check(Training, defaults | named, path).seeds
    for name, variant in study.variants.items():
        usual = defaults | study.training | variant.changes
        of_variant = [
            Trial(
                variant=name,
                value=value,
                varied=shown,
                training=params.check(Training, usual | changes | {"seeds": (seed,)}, path),
            )
            for value, changes, shown, seed in _values(study, variant, seeds)
        ]
        shown = {(trial.value, trial.training.seeds) for trial in of_variant}
        if min(len({trial.training for trial in of_variant}), len(shown)) < len(of_variant):
            raise KlayerError(f"params.yaml: {path} has the same value twice: remove one")
        for other, known in networks.items():
            if [trial.training for trial in of_variant] == [trial.training for trial in known]:
                raise KlayerError(
                    f"params.yaml: {path}.variants has {other} and {name} with the same settings: "
                    "change or remove one"
                )
        networks[name] = of_variant
    return [trial for of_variant in networks.values() for trial in of_variant]


Value = tuple[str, dict[str, Any], dict[str, str], int]


def _values(study: Study, variant: Variant, seeds: Sequence[int]) -> Iterator[Value]:
    """Label, changes, how these are shown, and seed of each network of a variant."""
    if variant.random:
        drawn = [(values, seed) for seed in seeds for values in draws(variant.random, seed)]
        for number, (changes, seed) in enumerate(drawn, 1):
            yield str(number), changes, {key: label(x) for key, x in changes.items()}, seed
        return
    lists = variant.grid or study.across
    pairs = [[*zip(values, labels(values), strict=True)] for values in lists.values()]
    rows = product(*pairs) if variant.grid or not lists else zip(*pairs, strict=True)
    for number, row in enumerate(rows, 1):
        changes = {key: value for key, (value, _) in zip(lists, row, strict=True)}
        shown = {key: text for key, (_, text) in zip(lists, row, strict=True)}
        for seed in seeds:
            yield (
                str(number) if variant.grid else next(iter(shown.values()), ""),
                changes,
                shown,
                seed,
            )


def draws(random: Random, seed: int) -> list[dict[str, float]]:
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
    if isinstance(value, list) and len(value) > MANY and isinstance(value[0], int):
        return f"{len(value) + 1} layers"
    return f"{value:g}" if isinstance(value, float) else _whole(value)


def _whole(value: object) -> str:
    """Units of equal hidden layers as 4 \N{MULTIPLICATION SIGN} 50, numbers with all digits."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if not isinstance(value, list):
        return str(value)
    texts = [str(part) for part in value]
    if len(texts) > MANY and len(set(texts)) == 1:
        return f"{len(texts)} \N{MULTIPLICATION SIGN} {texts[0]}"
    return (" " if value and isinstance(value[0], str) else "-").join(texts) or "none"
