"""Stage `settings` of studies/: checks params.yaml and writes the networks of each study to a file.

A study trains *variants*, each with its changes of `training`. `across` gives a setting several
values, all for each variant; further lists of the same length vary together with the first. For a
search, a variant has a `grid`, of which all combinations are trained, or `random` values. Each
variant and value is trained with every seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
LONGEST = 3  # hidden layers that are written in full, 50-50-50


def run() -> None:
    """Writes settings/NAME.json for each study, and names results of studies that are no longer in
    params.yaml.

    Raises KlayerError, before anything is written, when params.yaml is wrong, a batch is larger
    than the training set, or the images are not prepared: later, DVC would have removed results.
    """
    images, files = len(open_dataset().train), study_files()
    for name in files.keys() - {ALL}:
        if max(network["training"]["batch_size"] for network in files[name]["networks"]) > images:
            raise KlayerError(
                f"params.yaml: batch_size of studies.{name} should be at most the {images} images"
            )
    write(SETTINGS, files, Path("../requirements.lock"), indent=1)
    name_leftovers(("metrics/*.json", "plots/*/*.csv"), files)


def study_files() -> dict[str, Mapping[str, Any]]:
    """The contents of the files: the networks of each study, and all studies for the page.

    Raises KlayerError for a wrong setting, and for a study that could not be answered.
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
    """All networks of the study at a path of params.yaml, by variant, value and seed.

    Raises KlayerError for wrong settings, and for equal values or variants.
    """
    defaults = training.model_dump()
    chosen = {"seeds": study.training.get("seeds", training.seeds)}
    seeds = params.check(Training, defaults | chosen, path).seeds
    networks: dict[str, list[Trial]] = {}
    for name, variant in study.variants.items():
        networks[name] = []
        rows = _rows(study, variant, seeds)
        shown = {key: labels([changes[key] for changes, _ in rows]) for key in rows[0][0]}
        for number, (changes, own_seeds) in enumerate(rows):
            varied = {key: texts[number] for key, texts in shown.items()}
            value = str(number + 1) if variant.own else next(iter(varied.values()), "")
            for seed in own_seeds:
                settings = defaults | study.training | variant.changes | changes
                checked = params.check(Training, settings | {"seeds": (seed,)}, path)
                networks[name].append(
                    Trial(variant=name, value=value, varied=varied, training=checked)
                )
        if len({(t.value, t.training.seeds) for t in networks[name]}) < len(networks[name]):
            raise KlayerError(f"params.yaml: {path} has the same value twice: remove one")
    trainings = {tuple(t.training for t in group) for group in networks.values()}
    if len(trainings) < len(networks):
        raise KlayerError(
            f"params.yaml: {path}.variants has two with the same settings: change or remove one"
        )
    return [trial for group in networks.values() for trial in group]


Row = tuple[dict[str, Any], Sequence[int]]


def _rows(study: Study, variant: Variant, seeds: Sequence[int]) -> list[Row]:
    """For each value of a variant the settings that it changes, and the seeds."""
    if variant.random:
        return [(drawn, (seed,)) for seed in seeds for drawn in draws(variant.random, seed)]
    lists = variant.grid or study.across
    combine = product if variant.grid or not lists else zip
    return [(dict(zip(lists, values, strict=True)), seeds) for values in combine(*lists.values())]


def draws(random: Random, seed: int) -> list[dict[str, float]]:
    """The values of a random search, rounded to three digits, as the tables show them."""
    ends = [[math.log10(end) for end in ends] for ends in random.ranges.values()]
    low, high = zip(*ends, strict=True)
    exponents = np.random.default_rng(seed).uniform(low, high, (random.count, len(low))).tolist()
    rows = [[float(f"{10.0**exponent:.2e}") for exponent in row] for row in exponents]
    return [dict(zip(random.ranges, row, strict=True)) for row in rows]


def labels(values: Sequence[object]) -> list[str]:
    """The values of a setting as the tables show them: numbers with six digits; units of hidden
    layers as 50-50, or for many layers as 9 layers, if all values differ in their depth.
    """
    full = [_label(value) for value in values]
    short = [
        f"{len(value) + 1} layers"
        if isinstance(value, list) and text.count("-") >= LONGEST
        else text
        for value, text in zip(values, full, strict=True)
    ]
    return short if len(set(short)) == len(set(full)) else full


def _label(value: object) -> str:
    if isinstance(value, list):
        separator = " " if value and isinstance(value[0], str) else "-"  # of a block
        return separator.join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
