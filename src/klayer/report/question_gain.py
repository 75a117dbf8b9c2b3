"""What does BN change in the 3-layer network, and what does it gain in every pair of runs?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd
from matplotlib.axes import Axes

from klayer.report import words
from klayer.report.charts import draw_seeds, lines_of, training_figure
from klayer.report.comparison import more_than_bn
from klayer.report.document import Block, Figure, Key, Panel, Section, Table
from klayer.report.drawing import BLUE, INK
from klayer.report.evidence import Evidence, Pair
from klayer.report.statistics import estimate
from klayer.report.verdicts import Answer, paired_answer

TITLE = "What does BN change in the {} network?"
SAID = {"helps": "BN helps", "harms": "BN harms", "no difference": "No difference"}
PAIR = ("three_layer", "three_layer_bn")
QUESTIONS = {"three_layer": "shallow", "sigma_1e-1": "sigma_1e-1"}  # names in docs/evidence.md
SOURCE = "plots/seeds/NAME.csv, NAME_bn.csv · stage train@NAME · dvc repro train@NAME train@NAME_bn"


def section(evidence: Evidence) -> Section:
    """The 3-layer pair, its curves, and a forest plot of all pairs."""
    pairs = {name: both for name in evidence.runs if (both := evidence.pair(name))}
    of_all: tuple[Block, ...] = (*_figures(pairs), _table(evidence, pairs)) if pairs else ()
    if "three_layer" not in pairs:
        why = f"Not answered: {evidence.missing(PAIR)}."
        return Section("shallow", TITLE.format("3-layer"), why, of_all)
    pair = pairs["three_layer"]
    layers = words.layers(pair[0].settings)
    caption = f"{layers} with and without BN: training with the same mini-batches."
    figure = training_figure("three_layer", caption, lines_of(pair))
    title = TITLE.format(layers.removesuffix("s").replace(" ", "-"))
    return Section("shallow", title, _answer(evidence, pair), (figure, *of_all))


def _answer(evidence: Evidence, pair: Pair) -> str:
    found = answer(evidence, "three_layer")
    if found is None:
        return f"Not answered: more than BN tells the two: {more_than_bn(*pair)}."
    return (
        f"{found.verdict.opening(SAID)}with BN the test accuracy changes by "
        f"{words.difference(found.estimate)}."
    )


def answer(evidence: Evidence, name: str) -> Answer | None:
    """The verdict on the run NAME_bn against NAME, by test accuracy.

    None when a run is missing, or when the two differ in more than BN.
    """
    pair = evidence.pair(name)
    if pair is None or more_than_bn(*pair):
        return None
    return paired_answer(evidence, name, f"{name}_bn", QUESTIONS.get(name, name))


def _table(evidence: Evidence, pairs: Mapping[str, Pair]) -> Table:
    rows = []
    for name, pair in pairs.items():
        found = answer(evidence, name)
        gain = words.difference(found.estimate) if found else ""
        accuracies = [words.spread(estimate(run.test_accuracy)) for run in pair]
        verdict = found.verdict.cell if found else f"not BN alone: {more_than_bn(*pair)}"
        rows.append((name, *accuracies, gain, verdict))
    head = ("pair", "without BN", "with BN", "BN's gain", "verdict")
    return Table("Test accuracy (mean ± std over seeds) and BN's gain", head, rows, SOURCE)


def _figures(pairs: Mapping[str, Pair]) -> list[Figure]:
    """Large gains and small ones on panels of their own: one axis would show only the large.

    Without a gain to draw no figure.
    """
    gains = {
        name: (100 * (normalised.test_accuracy - plain.test_accuracy)).dropna()
        for name, (plain, normalised) in pairs.items()
        if not more_than_bn(plain, normalised)
    }
    gains = {name: gain for name, gain in gains.items() if len(gain)}  # a seed in common
    small = {name: gain for name, gain in gains.items() if abs(gain.mean()) < 5}
    large = {name: gain for name, gain in gains.items() if name not in small}
    panels = [
        Panel(title, partial(_draw, gains=some), left=1.1, height=0.95 + 0.32 * len(some))
        for title, some in (("Gains of less than 5 points", small), ("Larger gains", large))
        if some
    ]
    if not panels:
        return []
    interval = any(estimate(gain).interval for gain in gains.values())
    mean = "mean with 95 % interval" if interval else "mean"
    legend = (Key("BN's gain, each seed", BLUE, "o"), Key(mean, INK))
    caption = "Test accuracy with BN less without, seed by seed, of every pair."
    return [Figure("gain", caption, panels, legend, wide=True, source=SOURCE)]


def _draw(axes: Axes, gains: Mapping[str, pd.Series[float]]) -> None:
    draw_seeds(axes, {name: (gain, BLUE, INK) for name, gain in gains.items()}, thickness=2)
    axes.set_xlabel("test accuracy with BN less without (points)")
