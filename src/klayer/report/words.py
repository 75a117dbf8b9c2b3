"""Numbers in words: accuracies in per cent, their differences in points of a per cent."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from klayer.report.statistics import Estimate, estimate
from klayer.report.verdicts import Verdict


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
    hundredths = round(100 * value, 2) + 0.0  # no minus before 0.00
    text = f"{hundredths:+.2f}" if sign else f"{hundredths:.2f}"
    return text.replace("-", "\N{MINUS SIGN}")


def between(interval: tuple[float, float] | None) -> str:
    """An interval of a difference, in points."""
    return f"{points(interval[0])} to {points(interval[1])}" if interval else "no interval"


def difference(number: Estimate | None) -> str:
    """A difference and its 95 % interval: +0.45 points (95 % interval +0.23 to +0.67; 16 seeds)."""
    return f"{points(number.mean)} points ({_around(number)})" if number else "no seed in common"


def support(verdict: Verdict) -> str:
    """What stands behind an answer: 95 % interval +0.23 to +0.67; 16 seeds; clear."""
    around = _around(verdict.estimate)
    return around if undecided(verdict) else f"{around}; {verdict.certainty}"


def _around(number: Estimate | None) -> str:
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
    """The answer where the seeds give none; empty where they do."""
    if verdict.certainty in ("clear", "uncertain"):
        return ""
    few = verdict.certainty == "too few seeds"
    by = f": {points(verdict.estimate.mean)} points" if verdict.estimate else ""
    return f"Too few seeds to say{by}" if few else f"Not judged, as nothing scatters{by}"


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
