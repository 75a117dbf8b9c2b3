"""Numbers in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from klayer.report.statistics import Estimate


def accuracy(value: float) -> str:
    """A share, as in the reference: 0.5312."""
    return f"{value:.4f}"


def spread(estimate: Estimate) -> str:
    """0.5312 ± 0.0021, or the value alone for a single seed."""
    text = accuracy(estimate.mean)
    return f"{text} ± {estimate.deviation:.4f}" if estimate.count > 1 else text


def points(value: float, sign: bool = True) -> str:
    """A difference of two shares in percentage points."""
    hundredths = round(100 * value, 2) + 0.0  # no minus before 0.00
    text = f"{hundredths:+.2f}" if sign else f"{hundredths:.2f}"
    return text.replace("-", "\N{MINUS SIGN}")


def between(interval: tuple[float, float] | None) -> str:
    """An interval in points."""
    return f"{points(interval[0])} to {points(interval[1])}" if interval else "not known"


def count(number: int, noun: str) -> str:
    """1 seed, 2 seeds."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def times(number: float) -> str:
    """How often, in the mean."""
    text = f"{number:.0f}" if number >= 10 else f"{number:.2g}"
    return f"{text} time{'' if text == '1' else 's'}"


def several(names: Sequence[str]) -> str:
    """One, two and three."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def over_seeds(number: int) -> str:
    """What a number stands for."""
    return "one seed" if number == 1 else "mean over seeds"


def layers(settings: Mapping[str, Any]) -> str:
    """How many layers a network has: 3 layers."""
    return count(len(settings["hidden"]) + 1, "layer")


def difference(estimate: Estimate | None) -> str:
    """A difference with its 95 % interval."""
    if estimate is None:
        return "not known (no seed in common)"
    text = f"{points(estimate.mean)} points"
    if estimate.count < 2:
        return f"{text} (one seed: no interval can be given)"
    if estimate.interval is None:
        return f"{text} (the same in each of {estimate.count} seeds: no interval can be given)"
    return f"{text} (95 % interval {between(estimate.interval)}, {estimate.count} seeds)"


def probability(value: float) -> str:
    """A p-value."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def l2(value: float) -> str:
    """A λ with 3 significant digits."""
    return f"{value:.3g}"


def factor(value: float) -> str:
    """How many times: two or more digits, no power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
