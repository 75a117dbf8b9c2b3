"""The rule of all verdicts, docs/evidence.md: a direction, and whether other seeds would say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from klayer.report.statistics import Estimate, Values

DRAWS = 2000
STABLE = 0.9  # share of draws that say the same

# Of tables (..., n seeds, k columns), the code of the direction of each: 0 for no difference.
Direction = Callable[[Values], NDArray[np.int_]]


@dataclass(frozen=True)
class Verdict:
    """A direction in a word, and the share of draws of the seeds with the same one."""

    direction: str
    difference: bool  # whether the direction says that there is one
    share: float | None  # None where the seeds are too few for a verdict

    @property
    def word(self) -> str:
        """Shown, suggested, not shown, or not known."""
        if self.share is None:
            return "not known"
        if self.share < STABLE:
            return "suggested"
        return "shown" if self.difference else "not shown"

    @property
    def short(self) -> str:
        """For a table: the word and the share."""
        return self.word if self.share is None else f"{self.word} ({100 * self.share:.0f} %)"

    def __str__(self) -> str:
        """The word, with the share behind it."""
        if self.share is None:
            return "not known: the seeds are too few"
        return f"{self.word}: {100 * self.share:.0f} % of redrawn seeds say the same"


@dataclass(frozen=True)
class Answer:
    """A question's verdict, and the number behind it."""

    question: str  # its name in docs/evidence.md
    verdict: Verdict
    estimate: Estimate | None


def judge(table: Values, direction: Direction, words: Mapping[int, str]) -> Verdict:
    """Of a table (n seeds, k columns), by its rows drawn anew; `words` names the directions."""
    count = len(table)
    code = int(direction(table))
    if count < 2:
        return Verdict(words[code], code != 0, None)
    rows = np.random.default_rng(1).integers(0, count, (DRAWS, count))
    same = direction(table[rows]) == code
    return Verdict(words[code], code != 0, float(same.mean()))
