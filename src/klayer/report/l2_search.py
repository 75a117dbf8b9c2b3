"""The search of λ as tables: a row for each λ, a column for each seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from klayer.report.evidence import Evidence
from klayer.report.statistics import Estimate, noise, paired_difference


@dataclass(frozen=True)
class Search:
    """Validation accuracies of the search."""

    coarse: pd.Series[float]  # of one seed, by λ, increasing
    fine: pd.DataFrame  # by λ, increasing; a column for each seed
    none: pd.Series[float]  # λ = 0, by seed, which are those of `fine`
    noise: tuple[float, int] | None  # of a repeated λ, its deviation and degrees of freedom

    @property
    def best(self) -> float:
        """The λ with the best mean over seeds in the fine search."""
        means = self.fine.mean(axis=1)
        return float(means.index[int(means.argmax())])

    def gain_over(self, l2: float) -> Estimate | None:
        """Best λ less another of the fine search (0 for none), on equal starts and batches."""
        other = self.none if l2 == 0 else self.fine.T[l2]
        return paired_difference(self.fine.T[self.best], other)

    def gain_of_all(self) -> Estimate | None:
        """Mean of all fine λ less λ = 0: no choice is in it that luck could have made."""
        return paired_difference(self.fine.mean(axis=0), self.none)

    def neighbours(self) -> list[float]:
        """The λ just below and above the best in the fine search, where there are such."""
        values = list(self.fine.index)
        at = values.index(self.best)
        return values[max(at - 1, 0) : at] + values[at + 1 : at + 2]

    def coarse_at_fine(self) -> pd.DataFrame:
        """Columns `coarse` (interpolated in log λ) and `fine` (mean over seeds), where both are."""
        low, high = self.coarse.index[[0, -1]]
        within = self.fine[(self.fine.index >= low) & (self.fine.index <= high)]
        x, known = np.log(within.index.to_numpy()), np.log(self.coarse.index.to_numpy())
        coarse = np.interp(x, known, self.coarse.to_numpy())
        return pd.DataFrame({"coarse": coarse, "fine": within.mean(axis=1)})


def search(evidence: Evidence) -> Search:
    """From the table of all runs of the search."""
    runs = evidence.search_runs
    coarse = runs[runs["phase"] == "coarse"].groupby("l2")["validation_accuracy"].mean()
    fine = runs[runs["phase"] == "fine"].pivot_table(
        index="l2", columns="seed", values="validation_accuracy"
    )
    none = runs[runs["phase"] == "none"].set_index("seed")["validation_accuracy"]
    return Search(coarse, fine, none, noise(fine.to_numpy(np.float64)))
