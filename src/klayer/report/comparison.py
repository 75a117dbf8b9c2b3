"""What two trainings differ in, and whether a run is the report's experiment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from klayer.report import words
from klayer.report.evidence import Evidence, Run
from klayer.report.reference import FILES, VALIDATION, Reported

Settings = Mapping[str, Any]  # of a training

WATCHED = (
    "seeds",
    "evaluation_interval",
    "statistics",
    "corruptions",
    "views",
)
OFF: Settings = {  # settings that may be left out, which is the same as these values
    "skip": 0,
    "dropout": 0.0,
    "label_smoothing": 0.0,
    "optimizer": "sgd",
    "momentum": 0.9,
    "schedule": "triangular",
    "reshuffle": True,
    "flip": False,
    "augment_shift": 0,
}
OF_BN = ("epsilon", "bn_momentum")


def effective(settings: Settings) -> dict[str, Any]:
    """The settings that decide what is trained, without those that are off."""
    found = {k: v for k, v in settings.items() if k not in WATCHED and not _off(k, v)}
    unused = [] if normalises(settings) else [*OF_BN]
    unused += ["sigma"] if settings["initialisation"] != "normal" else []
    unused += ["momentum"] if found.get("optimizer", "sgd") == "sgd" else []
    return {key: value for key, value in found.items() if key not in unused}


def _off(key: str, value: object) -> bool:
    return key in OFF and value == OFF[key]


def normalises(settings: Settings) -> bool:
    """Whether hidden layers have batch normalisation."""
    return "batch_norm" in settings["block"]


def network(settings: Settings) -> str:
    """Its depth, and BN where it has it: 3 layers, BN."""
    return words.layers(settings) + (", BN" if normalises(settings) else "")


def without_bn(settings: Settings) -> dict[str, Any]:
    """What is trained but for BN."""
    found = effective(settings)
    rest = {key: value for key, value in found.items() if key not in OF_BN}
    return rest | {"block": [name for name in settings["block"] if name != "batch_norm"]}


def differences(settings: Settings, other: Settings, but: Collection[str] = ()) -> str:
    """What the first of two trainings has that the other has not, such as `hidden is [64]`."""
    return _told(effective(settings), other, but)


def _told(mine: Settings, others: Settings, but: Collection[str] = ()) -> str:
    told = []
    for key in {**mine, **others}:
        value, other = (which.get(key, OFF.get(key)) for which in (mine, others))
        if key not in (*but, *WATCHED) and value is not None and value != other:
            told.append(f"{key} is {shown(value)}")
    return ", ".join(told)


def shown(value: object) -> str:
    """A setting as params.yaml has it; a number with six digits."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def more_than_bn(plain: Run, other: Run) -> str:
    """What tells the second run from the first beside BN; empty where it is BN alone."""
    told = _told(without_bn(other.settings), without_bn(plain.settings))
    kinds = ((plain, False), (other, True))
    wrong = [
        f"{run.name} has {'no ' if wanted else ''}BN"
        for run, wanted in kinds
        if normalises(run.settings) != wanted
    ]
    return ", ".join([*wrong, told] if told else wrong)


def other_images(evidence: Evidence) -> str:
    """What the images are where they are not the report's; empty where they are."""
    images = evidence.images
    if evidence.synthetic:
        return "synthetic"
    if files(images.get("sha256", ())) != files(FILES.splitlines()):
        return "not the original CIFAR-10"
    if (count := images.get("validation", VALIDATION)) != VALIDATION:
        return f"divided in another way, {count:,} of them for validation instead of {VALIDATION:,}"
    return ""


def files(lines: Collection[str]) -> set[tuple[str, ...]]:
    """Digests and names of files, however they are spaced."""
    return {tuple(line.split()) for line in lines} - {()}


def unlike(row: Reported, settings: Settings, free: Collection[str] = ()) -> str:
    """What a training has that the report's has not; empty for the report's experiment."""
    return differences(settings, row.settings, but=(*row.free, *free))


def comparable(row: Reported, evidence: Evidence) -> Run | None:
    """The run that is the report's experiment, on the report's images, if there is one."""
    run = evidence.runs.get(row.run)
    if run is None or other_images(evidence) or unlike(row, run.settings):
        return None
    return run
