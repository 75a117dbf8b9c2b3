"""The rule of all verdicts, docs/evidence.md: a direction, and whether other seeds would say it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from klayer.report.evidence import Evidence
from klayer.report.statistics import Estimate, Values, estimate, signs_of_means

DRAWS = 2000
STABLE = 0.9  # share of draws that say the same
NOT_JUDGED = "not judged"
ONE_SEED, NO_SCATTER, NO_COMMON = "one seed", "no scatter over the seeds", "no seed in common"
GAIN = {1: "helps", 0: "no difference", -1: "harms"}

# Of tables (..., n seeds, k columns), the code of the direction of each: 0 for no difference.
Direction = Callable[[Values], NDArray[np.int_]]


@dataclass(frozen=True)
class Verdict:
    """A direction in a word, and the share of draws of the seeds with the same one."""

    direction: str
    difference: bool  # whether the direction says that there is one
    share: float | None  # None where there is no verdict
    draws: str = "redrawn seeds"  # what the share is of; without one, why there is no verdict

    @property
    def word(self) -> str:
        """Shown, suggested, not shown, or why there is no verdict."""
        if self.share is None:
            return self.draws
        if self.share < STABLE:
            return "suggested"
        return "shown" if self.difference else "not shown"

    @property
    def short(self) -> str:
        """For a table: the word and the share."""
        return self.word if self.share is None else f"{self.word} ({_percent(self.share)})"

    @property
    def cell(self) -> str:
        """For a table of verdicts alone."""
        return str(self) if self.share is None else self.short

    def __str__(self) -> str:
        """The word, with the share behind it."""
        if self.share is None:
            return f"{NOT_JUDGED}: {self.word}"
        return f"{self.word}: {_percent(self.share)} of {self.draws} say the same"

    def opening(self, sentences: Mapping[str, str]) -> str:
        """How a sentence begins that goes on with the numbers; `sentences` by direction."""
        if self.share is None:
            return f"Not judged: {self.word}; "
        return f"{sentences[self.direction]} ({self}): "


def unjudged(why: str) -> Verdict:
    """No verdict."""
    return Verdict(NOT_JUDGED, False, None, why)


def _percent(share: float) -> str:
    """Rounded down: 89.9 % is not the 90 % that the rule asks for."""
    return f"{math.floor(100 * share + 1e-9)} %"


@dataclass(frozen=True)
class Answer:
    """A question's verdict, and the number behind it."""

    question: str  # its name in docs/evidence.md
    verdict: Verdict
    estimate: Estimate | None

    @property
    def direction(self) -> str:
        """The verdict's."""
        return self.verdict.direction


def judge(table: Values, direction: Direction, words: Mapping[int, str], scatters: bool) -> Verdict:
    """Of a table (n seeds, k columns), by its rows drawn anew; `words` names the directions.

    No verdict for a single seed, or where what is judged does not scatter over the seeds.
    """
    count = len(table)
    if count < 2 or not scatters:
        return unjudged(ONE_SEED if count < 2 else NO_SCATTER)
    code = int(direction(table))
    rows = np.random.default_rng(1).integers(0, count, (DRAWS, count))
    same = direction(table[rows]) == code
    return Verdict(words[code], code != 0, float(same.mean()))


def paired_answer(
    evidence: Evidence, plain: str, other: str, question: str, words: Mapping[int, str] = GAIN
) -> Answer | None:
    """The verdict on one run less another, seed by seed; None when a run is missing, without an
    estimate when they have no seed in common.
    """
    if evidence.missing((plain, other)):
        return None
    table = evidence.table((plain, other))
    if table is None:
        return Answer(question, unjudged(NO_COMMON), None)
    return compared(table[plain], table[other], question, words)


def compared(
    plain: pd.Series[float],
    other: pd.Series[float],
    question: str,
    words: Mapping[int, str] = GAIN,
) -> Answer | None:
    """The verdict on `other` less `plain`, by seed (their index); None without a common one."""
    gain: Values = np.asarray((other - plain).dropna(), np.float64)
    if not len(gain):
        return None
    found = estimate(gain)
    table = gain[:, np.newaxis]
    verdict = judge(table, lambda t: signs_of_means(t[..., 0]), words, found.scatters)
    return Answer(question, verdict, found)
