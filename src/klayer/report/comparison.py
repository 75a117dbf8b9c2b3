"""What two trainings differ in, in words, and whether a run is the report's experiment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from klayer.report import words
from klayer.report.evidence import Evidence, Pair, Run, Unanswered
from klayer.report.reference import BEST, FILES, RUNS, VALIDATION, Reported

Settings = Mapping[str, Any]  # of a training

# Settings that change what is measured, and no network.
WATCHED = ("seeds", "evaluation_interval", "statistics", "corruptions", "views")
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
KNOWN = {row.run for row in (*RUNS, BEST)} | {"nine_layer_he"}  # experiments of the study
IN_WORDS = {  # others by their names
    "hidden": "hidden layers of {} units",
    "block": "hidden layers made of {}",
    "initialisation": "{} initialisation",
    "sigma": "σ = {}",
    "l2": "λ = {}",
    "half_cycle": "n_s = {}",
}


def effective(settings: Settings) -> dict[str, Any]:
    """The settings that decide what is trained, without those that are off."""
    unused = {*WATCHED, *(key for key, value in settings.items() if OFF.get(key) == value)}
    unused |= set() if normalises(settings) else set(OF_BN)
    unused |= set() if settings["initialisation"] == "normal" else {"sigma"}
    unused |= {"momentum"} if settings.get("optimizer", "sgd") == "sgd" else set()
    return {key: value for key, value in settings.items() if key not in unused}


def normalises(settings: Settings) -> bool:
    """Whether hidden layers have batch normalisation."""
    return "batch_norm" in settings["block"]


def layers(settings: Settings) -> str:
    """How many layers a network has: 3 layers."""
    return words.counted(len(settings["hidden"]) + 1, "layer")


def label(settings: Settings) -> str:
    """A network in words: depth, BN, and other initial weights than the uniform ones."""
    parts = [layers(settings), "with BN" if normalises(settings) else "without BN"]
    key = "sigma" if settings["initialisation"] == "normal" else "initialisation"
    if settings["initialisation"] != "uniform":
        parts.append(in_words(key, settings[key]))
    return ", ".join(parts)


def own(run: Run) -> bool:
    """Whether it is an experiment that the study does not have."""
    return run.name not in KNOWN and not run.name.startswith("best_")


def schedule(run: Run) -> str:
    """How the best λ was trained, in words: 2 cycles of n_s = 900."""
    cycles, half = (run.settings[name] for name in ("cycles", "half_cycle"))
    other = unlike(BEST, run.settings, free=("cycles", "half_cycle"))
    text = f"{words.counted(cycles, 'cycle')} of {in_words('half_cycle', half)}"
    return f"{text}, {other}" if other else text


def in_words(key: str, value: object) -> str:
    """A setting: λ = 0.025; label smoothing 0.1."""
    if isinstance(value, list | tuple):
        value = words.several([str(part).replace("_", " ") for part in value] or ["no"])
    elif key == "cycles" and isinstance(value, int):
        return words.counted(value, "cycle")
    elif isinstance(value, bool):
        value = "on" if value else "off"
    elif isinstance(value, float):
        value = f"{value:.3g}"
    value = {"he": "He", "xavier": "Xavier"}.get(str(value), value)
    return IN_WORDS.get(key, key.replace("_", " ") + " {}").format(value)


def differences(settings: Settings, other: Settings, but: Collection[str] = ()) -> str:
    """What the first of two trainings has that the other has not, in words."""
    mine, differing = effective(settings), []
    for key in {**mine, **effective(other)}:
        value = mine.get(key, OFF.get(key))
        if key not in but and value is not None and value != other.get(key, OFF.get(key)):
            differing.append(in_words(key, value))
    return ", ".join(differing)


def only_bn(pair: Pair) -> Pair:
    """The pair. Raises Unanswered where more than BN is different."""
    plain, other = (_without_bn(run.settings) for run in pair)
    different = differences(other, plain)
    if [normalises(run.settings) for run in pair] != [False, True]:
        different = "BN is not in the second alone"
    if different:
        raise Unanswered(f"{pair[1].name} differs from {pair[0].name} in more than BN: {different}")
    return pair


def _without_bn(settings: Settings) -> dict[str, Any]:
    rest = {key: value for key, value in effective(settings).items() if key not in OF_BN}
    return rest | {"block": [name for name in settings["block"] if name != "batch_norm"]}


def other_images(evidence: Evidence) -> str:
    """What the images are where they are not the report's; empty where they are."""
    images = evidence.sections.get("data") or {}
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


def comparable(row: Reported, evidence: Evidence) -> bool:
    """Whether the run is there and is the report's experiment, on the report's images."""
    run = evidence.runs.get(row.run)
    return bool(run and not other_images(evidence) and not unlike(row, run.settings))
