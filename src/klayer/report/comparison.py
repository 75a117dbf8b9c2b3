"""What two trainings differ in, in words, and whether a run is the report's experiment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from klayer.report import words
from klayer.report.evidence import Evidence, Run
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
IN_WORDS = {  # others by their names
    "hidden": "hidden layers of {} units",
    "block": "hidden layers made of {}",
    "initialisation": "{} initial weights",
    "sigma": "σ = {}",
    "l2": "λ = {}",
    "half_cycle": "n_s = {}",
    "learning_rate_max": "largest learning rate {}",
    "learning_rate_min": "smallest learning rate {}",
}
NUMBERS = {1: "one cycle", 2: "two cycles", 3: "three cycles", 4: "four cycles"}


def effective(settings: Settings) -> dict[str, Any]:
    """The settings that decide what is trained, without those that are off."""
    unused = set(WATCHED)
    unused |= {key for key, value in settings.items() if key in OFF and value == OFF[key]}
    unused |= set() if normalises(settings) else set(OF_BN)
    unused |= {"sigma"} if settings["initialisation"] != "normal" else set()
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
    if settings["initialisation"] == "normal":
        parts.append(f"σ = {settings['sigma']:g}")
    elif settings["initialisation"] != "uniform":
        parts.append(in_words("initialisation", settings["initialisation"]))
    return ", ".join(parts)


def title(run: Run) -> str:
    """A run in words; an experiment of the user's own by the name it was given."""
    if run.name.startswith("best_"):
        return f"{label(run.settings)}, best λ, {schedule(run)}"
    return f"“{run.name}”" if own(run) else label(run.settings)


def own(run: Run) -> bool:
    """Whether it is an experiment that the study does not have."""
    known = {row.run for row in (*RUNS, BEST)} | {"nine_layer_he"}
    return run.name not in known and not run.name.startswith("best_")


def schedule(run: Run) -> str:
    """The schedule of a training of the best λ, in words: two cycles, n_s = 1350."""
    name, settings = run.name.removeprefix("best_"), run.settings
    if name == f"ns_{settings['half_cycle']}":
        return in_words("half_cycle", settings["half_cycle"])
    cycles = NUMBERS.get(settings["cycles"], words.counted(settings["cycles"], "cycle"))
    return cycles if name == cycles.replace(" ", "_") else name.replace("_", " ")


def in_words(key: str, value: object) -> str:
    """A setting: λ = 0.025; label smoothing 0.1."""
    if isinstance(value, bool):
        value = "on" if value else "off"
    elif isinstance(value, list | tuple):
        value = words.several([str(part).replace("_", " ") for part in value] or ["no"])
    elif isinstance(value, float):
        value = f"{value:.6g}"
    elif key == "initialisation":
        value = {"he": "He", "xavier": "Xavier"}.get(str(value), value)
    if key == "cycles":
        return words.counted(int(str(value)), "cycle")
    return IN_WORDS.get(key, key.replace("_", " ") + " {}").format(value)


def differences(settings: Settings, other: Settings, but: Collection[str] = ()) -> str:
    """What the first of two trainings has that the other has not, in words."""
    mine = effective(settings)
    found = []
    for key in {**mine, **effective(other)}:
        value = mine.get(key, OFF.get(key))
        if key not in but and value is not None and value != other.get(key, OFF.get(key)):
            found.append(in_words(key, value))
    return ", ".join(found)


def without_bn(settings: Settings) -> dict[str, Any]:
    """What is trained but for BN."""
    found = effective(settings)
    rest = {key: value for key, value in found.items() if key not in OF_BN}
    return rest | {"block": [name for name in settings["block"] if name != "batch_norm"]}


def more_than_bn(plain: Run, other: Run) -> str:
    """What tells the second run from the first beside BN; empty where it is BN alone."""
    if normalises(plain.settings) or not normalises(other.settings):
        return "BN is not in the second alone"
    return differences(without_bn(other.settings), without_bn(plain.settings))


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
