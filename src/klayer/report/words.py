"""Puts numbers and settings into words: accuracies in per cent, their differences in points, the
settings of a training, and how two trainings differ.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from klayer.report.statistics import Estimate, Verdict, estimate

Settings = Mapping[str, Any]  # of a training

# Settings that change what is measured; the networks stay the same.
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
IN_WORDS = {  # other settings are called by their names
    "hidden": "hidden layers of {} units",
    "block": "hidden layers made of {}",
    "initialisation": "{} initialisation",
    "sigma": "σ = {}",
    "l2": "λ = {}",
    "half_cycle": "n_s = {}",
}


def percent(value: float, digits: int = 2) -> str:
    """A share in per cent, without the sign: 53.27."""
    return f"{100 * value:.{digits}f}"


def spread(accuracies: ArrayLike) -> str:
    """Mean and standard deviation over seeds in per cent: 53.27 ± 0.30; a single value alone."""
    number = estimate(accuracies)
    text = percent(number.mean)
    return f"{text} ± {percent(number.deviation)}" if number.count > 1 else text


def within(interval: tuple[float, float] | None) -> str:
    """An interval of an accuracy, in per cent."""
    return f"{percent(interval[0])} to {percent(interval[1])}" if interval else ""


def points(value: float, sign: bool = True) -> str:
    """A difference of two shares in points: +0.45."""
    text = f"{100 * value:+z.2f}" if sign else f"{100 * value:z.2f}"  # z: no minus before 0.00
    return text.replace("-", "\N{MINUS SIGN}")


def between(interval: tuple[float, float] | None) -> str:
    """An interval of a difference, in points."""
    return f"{points(interval[0])} to {points(interval[1])}" if interval else "no interval"


def difference(number: Estimate | None) -> str:
    """A difference and its 95 % interval: +0.45 points (95 % interval +0.23 to +0.67; 16 seeds)."""
    return f"{points(number.mean)} points ({_interval(number)})" if number else "no seed in common"


def support(verdict: Verdict) -> str:
    """The support of an answer: 95 % interval +0.23 to +0.67; 16 seeds; clear."""
    interval = _interval(verdict.estimate)
    return interval if undecided(verdict) else f"{interval}; {verdict.certainty}"


def _interval(number: Estimate | None) -> str:
    if number is None:
        return "no seed in common"
    if number.count < 2:
        return "one seed"
    if number.interval is None:
        return f"the same in each of {number.count} seeds"
    return f"95 % interval {between(number.interval)}; {number.count} seeds"


def brief(verdict: Verdict) -> str:
    """For a table: +0.45 (+0.23 to +0.67; clear)."""
    if verdict.estimate is None:
        return "no seed in common"
    interval = f"{between(verdict.estimate.interval)}; " if verdict.estimate.interval else ""
    return f"{points(verdict.estimate.mean)} ({interval}{verdict.certainty})"


def undecided(verdict: Verdict) -> str:
    """The answer when the seeds do not decide the question; empty when they do."""
    if verdict.certainty in ("clear", "uncertain"):
        return ""
    few = verdict.certainty == "too few seeds"
    text = "Too few seeds to say" if few else "Not judged, as nothing scatters"
    return f"{text}: {points(verdict.estimate.mean)} points" if verdict.estimate else text


def agreement(verdict: Verdict) -> str:
    """How certain a verdict is, in a sentence."""
    if verdict.share is None:
        return f"Not judged: {verdict.why}."
    return f"{verdict.percent} % of 2,000 {verdict.draws} give the same answer."


def counted(count: int, noun: str) -> str:
    """1 seed, 2 seeds."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def several(names: Sequence[str]) -> str:
    """One, two and three."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def short(value: float, digits: int = 3) -> str:
    """A number with a few significant digits and no power of ten: 0.00412, 3,139."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.{digits}g}"


def probability(value: float) -> str:
    """A p-value."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def effective(settings: Settings) -> dict[str, Any]:
    """The settings that have an effect on the network: without those that are off or unused."""
    unused = {*WATCHED, *(key for key, value in settings.items() if OFF.get(key) == value)}
    if not normalises(settings):
        unused |= {"epsilon", "bn_momentum"}
    if settings["initialisation"] != "normal":
        unused.add("sigma")
    if settings.get("optimizer", "sgd") == "sgd":
        unused.add("momentum")
    return {key: value for key, value in settings.items() if key not in unused}


def normalises(settings: Settings) -> bool:
    """Whether hidden layers have batch normalisation."""
    return "batch_norm" in settings["block"]


def layers(settings: Settings) -> str:
    """How many layers a network has: 3 layers."""
    return counted(len(settings["hidden"]) + 1, "layer")


def label(settings: Settings) -> str:
    """A network in words: depth, BN, and the initial weights where they are not uniform."""
    parts = [layers(settings), "with BN" if normalises(settings) else "without BN"]
    key = "sigma" if settings["initialisation"] == "normal" else "initialisation"
    if settings["initialisation"] != "uniform":
        parts.append(in_words(key, settings[key]))
    return ", ".join(parts)


def in_words(key: str, value: Any) -> str:
    """A setting: λ = 0.025; label smoothing 0.1."""
    if key == "cycles":
        return counted(value, "cycle")
    if isinstance(value, list):
        value = several([str(part).replace("_", " ") for part in value] or ["no"])
    elif isinstance(value, bool):
        value = "on" if value else "off"
    elif isinstance(value, float):
        value = f"{value:.3g}"
    value = {"he": "He", "xavier": "Xavier"}.get(value, value)
    return IN_WORDS.get(key, key.replace("_", " ") + " {}").format(value)


def differences(settings: Settings, other: Settings, ignored: Collection[str] = ()) -> str:
    """The settings of the first training that differ from those of the other one, in words."""
    first = effective(settings)
    values = {key: first.get(key, OFF.get(key)) for key in {**first, **effective(other)}}
    return ", ".join(
        in_words(key, value)
        for key, value in values.items()
        if key not in ignored and value not in (None, other.get(key, OFF.get(key)))
    )
