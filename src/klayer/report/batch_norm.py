"""What BN does: in 3 layers, in 9 layers, and for small initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from klayer.report import charts, statistics, words
from klayer.report.evidence import SMALLEST, Evidence, Pair, Unanswered, only_bn
from klayer.report.page import Figure, Panel, asks, attempt
from klayer.report.statistics import GAIN, Values, Verdict

TRAINABLE = {2: "makes it trainable", **GAIN}
LEARNS = 0.5  # a run is trainable when a larger share of its networks learns
LESS = {1: "less", 0: "no difference", -1: "more"}
STYLES = ("-", "--", ":", "-.")  # of the deviations σ


@asks("shallow", "Does BN help the 3-layer network?")
def shallow(evidence: Evidence) -> dict[str, Any]:
    """The 3-layer pair and its curves."""
    pair = evidence.pair("three_layer")
    panels = [charts.training_panel(charts.lines_of(pair), key) for key in ("accuracy", "loss")]
    files = charts.source("plots/train/three_layer*.csv", pair)
    return {
        "title": f"Does BN help the {_adjective(pair)} network?",
        "verdict": gain(evidence, "three_layer"),
        "blocks": [Figure("three_layer", panels, files)],
        "pair": pair,
    }


def _adjective(pair: Pair) -> str:
    """The depth of a pair, as an adjective: 3-layer."""
    return f"{len(pair[0].settings['hidden']) + 1}-layer"


def gain(evidence: Evidence, name: str) -> Verdict:
    """The verdict on the run NAME_bn against NAME, by test accuracy.

    Raises Unanswered when a run is missing, or when the two differ in more than BN.
    """
    plain, normalised = evidence.pair(name)
    return statistics.compared(plain.test_accuracy, normalised.test_accuracy)


@asks("deep", "Does BN make the 9-layer network trainable?")
def deep(evidence: Evidence) -> dict[str, Any]:
    """BN in the 9-layer network, why the network without BN does not train, and whether He
    initialisation is enough.
    """
    pair, he = evidence.pair("nine_layer"), attempt(trainable, evidence, "nine_layer_he")
    lines, start = charts.lines_of(pair), ""
    if he:
        run = evidence.run("nine_layer_he")
        start = words.in_words("initialisation", run.settings["initialisation"])
        lines.append(charts.Line(f"without BN, {start}", charts.GREEN, run))
    signal = charts.layers_panel(lines, "score_std", "Signal before training")
    gradients = charts.layers_panel(lines, "gradient_norm", "Gradients, first step")
    accuracy, loss = (charts.training_panel(lines, key) for key in ("accuracy", "loss"))
    files = "plots/runs/nine_layer*/layers.csv, plots/train/nine_layer*.csv"
    files = charts.source(files, [line.run for line in lines])
    return {
        "title": f"Does BN make the {_adjective(pair)} network trainable?",
        "verdict": trainable(evidence, "nine_layer_bn"),
        "blocks": [Figure("nine_layer", [signal, accuracy], files)],
        "details": [Figure("nine_layer_more", [gradients, loss], files)],
        "runs": [line.run for line in lines],
        "he": he,
        "smallest": SMALLEST,
        "start": start,
    }


def trainable(evidence: Evidence, better: str) -> Verdict:
    """The verdict on a run against `nine_layer`: a gain, and how many networks learn.

    Raises Unanswered when a run is missing, or when the two differ in more than what is asked.
    """
    plain, other = evidence.run("nine_layer"), evidence.run(better)
    if words.normalises(other.settings):
        only_bn((plain, other))
    elif more := words.differences(other.settings, plain.settings, ("initialisation", "sigma")):
        raise Unanswered(f"{better} differs in more than its initial weights: {more}")
    measures = ("test_accuracy", "learnt")
    tables = [evidence.table(plain.name, better, measure=measure) for measure in measures]

    def gain(tables: Values) -> tuple[Values, Values]:
        return statistics.mean_and_error(tables[..., 1] - tables[..., 0])

    def direction(tables: Values) -> np.ndarray:
        signs = statistics.signs(*gain(tables), tables.shape[-2])
        without, learns = (tables[..., column].mean(axis=-1) for column in (2, 3))
        return np.where((signs > 0) & (learns > LEARNS) & (without <= LEARNS), 2, signs)

    return statistics.judge(np.concatenate(tables, axis=1), gain, TRAINABLE, direction)


@asks("start", "Does BN make the initial weights matter less?")
def initial_weights(evidence: Evidence) -> dict[str, Any]:
    """The range of the accuracy over σ, with and without BN."""
    pairs = sigma_pairs(evidence)
    lines = [
        line._replace(label=f"{line.label}, σ = {line.run.settings['sigma']:g}", style=style)
        for pair, style in zip(pairs, cycle(STYLES))
        for line in charts.lines_of(pair)
    ]
    signal = charts.layers_panel(lines, "score_std", "Signal before training")
    files = "plots/seeds/sigma_*.csv, plots/runs/sigma_*/layers.csv"
    files = charts.source(files, [line.run for line in lines])
    return {
        "verdict": start(evidence),
        "blocks": [Figure("sigma", [_sigma_panel(pairs), signal], files)],
        "ranges": [ranges.mean() for ranges in _ranges(evidence) if len(ranges)],
        "pairs": pairs,
    }


def start(evidence: Evidence) -> Verdict:
    """The verdict on the range over σ without BN, minus that with BN."""
    plain, normalised = _ranges(evidence)
    return statistics.differing(plain - normalised, LESS)


def _ranges(evidence: Evidence) -> tuple[Values, ...]:
    """For each seed the largest minus the smallest test accuracy over σ, without BN and with it."""
    kinds = zip(*sigma_pairs(evidence), strict=True)
    table = evidence.table(*(run.name for runs in kinds for run in runs))
    return tuple(np.ptp(half, axis=1) for half in np.split(table, 2, axis=1))


def sigma_pairs(evidence: Evidence) -> list[Pair]:
    """The pairs sigma_X and sigma_X_bn, the largest σ first.

    Raises Unanswered when there are fewer than two, when initial weights are not normal, or when
    the pairs differ in more than σ.
    """
    names = [n for n in evidence.runs if n.startswith("sigma_") and not n.endswith("_bn")]
    pairs = [evidence.pair(name) for name in names]
    if len(pairs) < 2:
        raise Unanswered("params.yaml has fewer than two pairs sigma_X and sigma_X_bn")
    first = pairs[0][0].settings
    for plain, _ in pairs:
        if plain.settings["initialisation"] != "normal":
            raise Unanswered(f"the initial weights of {plain.name} are not normal")
        if more := words.differences(plain.settings, first, ("sigma",)):
            raise Unanswered(f"{plain.name} differs from {names[0]} in more than σ: {more}")
    return sorted(pairs, key=lambda pair: -pair[0].settings["sigma"])


def _sigma_panel(pairs: Sequence[Pair]) -> Panel:
    """Test accuracy over σ; lines join the means over seeds."""
    sigmas = [pair[0].settings["sigma"] for pair in pairs]
    kinds = {"without BN": charts.ORANGE, "with BN": charts.BLUE}

    def draw(axes: Axes) -> None:
        for runs, (kind, colour) in zip(zip(*pairs, strict=True), kinds.items(), strict=True):
            means = [100 * run.test_accuracy.mean() for run in runs]
            axes.plot(sigmas, means, color=colour, label=f"{kind}, mean")
            for sigma, run in zip(sigmas, runs, strict=True):
                places = [sigma] * len(run.seeds)
                axes.plot(places, 100 * run.test_accuracy, "o", color=colour, ms=4, alpha=0.7)
        charts.at_values(axes, {sigma: f"{sigma:g}" for sigma in sigmas})
        axes.set_ylim(bottom=0)
        axes.set(xlabel="σ of the initial weights", ylabel="test accuracy (%)")

    return Panel("Test accuracy of each seed", draw)
