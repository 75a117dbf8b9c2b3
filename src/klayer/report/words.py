"""Numbers in words."""

from __future__ import annotations

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
    text = f"{100 * value:+.2f}" if sign else f"{100 * value:.2f}"
    return text.replace("-", "\N{MINUS SIGN}")


def between(interval: tuple[float, float] | None) -> str:
    """An interval in points."""
    return f"{points(interval[0])} to {points(interval[1])}" if interval else "not known"


def difference(estimate: Estimate | None) -> str:
    """A difference with its 95 % interval."""
    if estimate is None:
        return "not known (no seed in common)"
    text = f"{points(estimate.mean)} points"
    if estimate.interval is None:
        return f"{text} (one seed: no interval can be given)"
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
