"""A variant against the first, seed by seed: a verdict, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from klayer.report import words
from klayer.report.statistics import EQUAL, Estimate, estimate
from klayer.report.studies.results import Study
from klayer.report.verdicts import NO_COMMON, NOT_JUDGED, Verdict, compared


@dataclass(frozen=True)
class Comparison:
    """The mean difference over the seeds in common, judged where it has a spread."""

    difference: Estimate | None  # None without a seed in common
    verdict: Verdict | None
    why: str  # there is no verdict, where there is none

    @property
    def equal(self) -> bool:
        """Whether the means are the same."""
        return self.difference is not None and abs(self.difference.mean) < EQUAL

    @property
    def word(self) -> str:
        """For a table: helps, shown (97 %)."""
        if self.verdict is None:
            return f"{NOT_JUDGED}: {self.why}"
        return f"{self.verdict.direction}, {self.verdict.short}"

    @property
    def points(self) -> str:
        """For a table: the difference, with its interval where it is judged."""
        if self.difference is None:
            return "not known"
        interval = self.difference.interval if self.verdict else None
        around = f" ({words.between(interval)})" if interval else ""
        return f"{words.points(self.difference.mean)}{around}"

    def phrase(self, sign: bool = True) -> str:
        """For a sentence: helps, +0.50 points, shown (97 %)."""
        if self.difference is None:
            return f"is {NOT_JUDGED}: {self.why}"
        by = words.points(self.difference.mean, sign or self.verdict is None)
        if self.verdict:
            return f"{self.verdict.direction}, {by} points, {self.verdict.short}"
        found = "is equal" if self.equal else f"differs by {by} points"
        return f"{found}, {NOT_JUDGED}: {self.why}"


def compare(
    plain: pd.Series[float], other: pd.Series[float], study: Study, directions: Mapping[int, str]
) -> Comparison:
    """`other` less `plain`, by seed (their index). One seed, or no scatter, gives no verdict."""
    answer = compared(plain, other, study.name, directions)
    if answer is None:
        return Comparison(None, None, NO_COMMON)
    if answer.verdict.share is None:
        return Comparison(answer.estimate, None, answer.verdict.word)
    return Comparison(answer.estimate, answer.verdict, "")


def spread(values: pd.Series[float]) -> str:
    """Mean and deviation over seeds, if any."""
    return words.spread(estimate(values)) if len(values) else "not run"
