"""The rule of all verdicts, docs/evidence.md: a direction, and whether other seeds would say it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from klayer.report.statistics import Estimate, Values, estimate, signs_of_means

DRAWS = 2000
STABLE = 0.9  # share of draws that say the same
FEW = 3  # seeds: with so few, "no difference" cannot be stable, see docs/evidence.md
NOT_JUDGED = "not judged"
ONE_SEED, NO_SCATTER, NO_COMMON = "one seed", "no scatter over the seeds", "no seed in common"
GAIN = {1: "helps", 0: "no difference", -1: "harms"}

# Of tables (..., n seeds, k columns), the code of the direction of each: 0 for no difference.
Direction = Callable[[Values], NDArray[np.int_]]


@dataclass(frozen=True)
class Verdict:
    """A direction, the number behind it, and how many draws of the seeds have the same direction.

    Where there is no verdict, the direction is `not judged`, and `why` says for what reason.
    """

    question: str  # its name in docs/evidence.md
    direction: str
    estimate: Estimate | None = None  # None without a seed in common
    differs: bool = False  # whether the direction says that there is a difference
    share: float | None = None  # of the draws; None where there is no verdict
    why: str = ""
    draws: str = "redrawn sets of seeds"

    @property
    def word(self) -> str:
        """The rule's word, as it stands in plots/: shown, suggested, not shown, or the reason."""
        if self.share is None:
            return self.why
        if self.share < STABLE:
            return "suggested"
        return "shown" if self.differs else "not shown"

    @property
    def certainty(self) -> str:
        """The page's word: clear, uncertain, too few seeds, or not judged."""
        if self.share is None:
            return "too few seeds" if self.why in (ONE_SEED, NO_COMMON) else NOT_JUDGED
        if not self.differs and self.estimate and self.estimate.count <= FEW:
            return "too few seeds"
        return "clear" if self.share >= STABLE else "uncertain"

    @property
    def percent(self) -> int:
        """The share, rounded down: 89.9 % is not the 90 % that the rule asks for."""
        return math.floor(100 * (self.share or 0.0) + 1e-9)


def judge(
    question: str,
    table: Values,
    number: Callable[[Values], Estimate],
    direction: Direction,
    words: Mapping[int, str],
) -> Verdict:
    """Judges a table (n seeds, k columns) by its rows, redrawn; `words` names the directions.

    No verdict for a single seed, or where the number that is judged has no scatter.
    """
    if not len(table):
        return Verdict(question, NOT_JUDGED, why=NO_COMMON)
    count, judged = len(table), number(table)
    if count < 2 or not judged.scatters:
        return Verdict(question, NOT_JUDGED, judged, why=ONE_SEED if count < 2 else NO_SCATTER)
    code = int(direction(table))
    rows = np.random.default_rng(1).integers(0, count, (DRAWS, count))
    share = float((direction(table[rows]) == code).mean())
    return Verdict(question, words[code], judged, code != 0, share)


def compared(
    plain: pd.Series[float],
    other: pd.Series[float],
    question: str,
    words: Mapping[int, str] = GAIN,
) -> Verdict:
    """The verdict on `other` less `plain`, by seed (their index)."""
    gain = np.asarray((other - plain).dropna(), np.float64)
    return judge(
        question, gain[:, np.newaxis], estimate, lambda t: signs_of_means(t[..., 0]), words
    )
