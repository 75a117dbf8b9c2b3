"""Numbers in words: formats, and what a difference with its interval allows to say."""

from __future__ import annotations

from klayer.report.statistics import Estimate

CERTAIN = 0.05  # probabilities below are called more than chance


def accuracy(value: float) -> str:
    """A share, as in the reference: 0.5312."""
    return f"{value:.4f}"


def spread(estimate: Estimate) -> str:
    """0.5312 ± 0.0021, or the value alone for a single seed."""
    text = accuracy(estimate.mean)
    return f"{text} ± {estimate.deviation:.4f}" if estimate.count > 1 else text


def points(value: float, sign: bool = True) -> str:
    """A difference of two shares in percentage points."""
    text = f"{100 * value:+.2f}" if sign else f"{100 * value:.2f}"
    return text.replace("-", "\N{MINUS SIGN}")


def difference(estimate: Estimate | None) -> str:
    """A paired difference with its 95 % interval."""
    if estimate is None:
        return "not known (no seed in common)"
    text = f"{points(estimate.mean)} points"
    if estimate.interval is None:
        return f"{text} (one seed: no interval can be given)"
    low, high = estimate.interval
    return f"{text} (95 % interval {points(low)} to {points(high)}, {estimate.count} seeds)"


def verdict(estimate: Estimate | None, above: str, below: str, unknown: str) -> str:
    """What a difference shows: it is above 0, below, or neither beyond chance."""
    if estimate is None:
        return "Not known"
    if estimate.count < 2:
        return "One seed cannot show it"
    return {1: above, -1: below, 0: unknown}[estimate.sign]


def probability(value: float) -> str:
    """A p-value."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def strength(l2: float) -> str:
    """A λ with 3 significant digits."""
    return f"{l2:.3g}"


def factor(value: float) -> str:
    """How many times: two or more digits, no power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
