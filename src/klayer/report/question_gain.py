"""What does BN change in the 3-layer network, and what does it gain in every pair of runs?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd
from matplotlib.axes import Axes

from klayer.report import words
from klayer.report.charts import draw_seeds, lines_of, training_figure
from klayer.report.document import Figure, Key, Panel, Section, Table
from klayer.report.drawing import BLUE, INK
from klayer.report.evidence import Evidence, Pair
from klayer.report.statistics import estimate
from klayer.report.verdicts import Answer, paired_answer

TITLE = "What does BN change in the 3-layer network?"
SAID = {"helps": "BN helps", "harms": "BN harms", "no difference": "No difference"}
QUESTIONS = {"three_layer": "shallow", "sigma_1e-1": "sigma_1e-1"}  # names in docs/evidence.md
SOURCE = "plots/seeds/NAME.csv, NAME_bn.csv · stage train@NAME · dvc repro train@NAME train@NAME_bn"


def section(evidence: Evidence) -> Section:
    """The 3-layer pair, its curves, and a forest plot of all pairs."""
    pair, found = evidence.pair("three_layer"), answer(evidence, "three_layer")
    if pair is None or found is None:
        why = "Not answered: params.yaml does not have both three_layer and three_layer_bn."
        return Section("shallow", TITLE, why)
    said = (
        f"{SAID[found.direction]} ({found.verdict}): with BN the test accuracy changes by "
        f"{words.difference(found.estimate)}."
    )
    caption = "3 layers with and without BN: training with the same mini-batches."
    figure = training_figure("three_layer", caption, lines_of(pair))
    pairs = {name: both for name in evidence.runs if (both := evidence.pair(name))}
    return Section("shallow", TITLE, said, (figure, _figure(pairs), _table(evidence, pairs)))


def answer(evidence: Evidence, name: str) -> Answer | None:
    """The verdict on the run NAME_bn against NAME, by test accuracy."""
    return paired_answer(evidence, name, f"{name}_bn", QUESTIONS.get(name, name))


def _table(evidence: Evidence, pairs: Mapping[str, Pair]) -> Table:
    rows = []
    for name, pair in pairs.items():
        found = answer(evidence, name)
        gain = words.difference(found.estimate if found else None)
        accuracies = [words.spread(estimate(run.test_accuracy)) for run in pair]
        rows.append((name, *accuracies, gain, found.verdict.short if found else ""))
    head = ("pair", "without BN", "with BN", "BN's gain", "verdict")
    return Table("Test accuracy (mean ± std over seeds) and BN's gain", head, rows, SOURCE)


def _figure(pairs: Mapping[str, Pair]) -> Figure:
    """Large gains and small ones on panels of their own: one axis would show only the large."""
    gains = {
        name: (100 * (normalised.test_accuracy - plain.test_accuracy)).dropna()
        for name, (plain, normalised) in pairs.items()
    }
    gains = {name: gain for name, gain in gains.items() if len(gain)}  # a seed in common
    small = {name: gain for name, gain in gains.items() if abs(gain.mean()) < 5}
    large = {name: gain for name, gain in gains.items() if name not in small}
    panels = [
        Panel(title, partial(_draw, gains=some), left=1.1, height=0.95 + 0.32 * len(some))
        for title, some in (("Gains of less than 5 points", small), ("Larger gains", large))
        if some
    ]
    legend = (Key("BN's gain, each seed", BLUE, "o"), Key("mean with 95 % interval", INK))
    caption = "Test accuracy with BN less without, seed by seed, of every pair."
    return Figure("gain", caption, panels, legend, wide=True, source=SOURCE)


def _draw(axes: Axes, gains: Mapping[str, pd.Series[float]]) -> None:
    draw_seeds(axes, {name: (gain, BLUE, INK) for name, gain in gains.items()}, thickness=2)
    axes.set_xlabel("test accuracy with BN less without (points)")
