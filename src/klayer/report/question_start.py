"""Does BN make the initial weights matter less? Normal initial weights of several deviations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from klayer.report import words
from klayer.report.curves import Line, draw_measure, legend
from klayer.report.document import Block, Figure, Key, Panel, Section, Table
from klayer.report.drawing import BLUE, GREEN, ORANGE, PURPLE
from klayer.report.evidence import Evidence, Run
from klayer.report.layer_charts import layers_figure
from klayer.report.statistics import Estimate, estimate, paired_difference

Pair = tuple[Run, Run]
COLOURS = (BLUE, GREEN, PURPLE, ORANGE)  # of the deviations
STYLES: Sequence[tuple[str, Literal[":", "-"]]] = (("no BN", ":"), ("BN", "-"))


def section(evidence: Evidence) -> Section:
    """Compares how far the accuracy moves over the deviations, with and without BN."""
    title = "Does BN make the initial weights matter less?"
    pairs = _pairs(evidence)
    if len(pairs) < 2:
        return Section(
            "start",
            title,
            "Not answered: params.yaml has fewer than two pairs NAME and NAME_bn with normal "
            "initial weights.",
            (),
        )
    blocks: list[Block] = [_table(pairs), _curves(pairs), _layers(pairs)]
    return Section("start", title, _answer(pairs), tuple(blocks))


def _pairs(evidence: Evidence) -> list[Pair]:
    """Without and with BN, the largest deviation first."""
    pairs = [evidence.pair(name) for name in evidence.runs]
    found = [p for p in pairs if p and p[0].settings.get("initialisation") == "normal"]
    return sorted(found, key=lambda pair: -pair[0].settings["sigma"])


def _ranges(runs: Sequence[Run]) -> pd.Series[float]:
    """Largest less smallest test accuracy over the deviations, for each seed."""
    accuracies = pd.concat([run.test_accuracy for run in runs], axis=1, join="inner")
    return accuracies.max(axis=1) - accuracies.min(axis=1)


def _answer(pairs: Sequence[Pair]) -> str:
    plain, normalised = (_ranges([pair[i] for pair in pairs]) for i in (0, 1))
    less = paired_difference(plain, normalised)
    if less is None:
        return "Not answered: the runs have no seed in common."
    verdict = words.verdict(less, "Yes", "No, it matters more with BN", "These runs do not show it")
    sigmas = [pair[0].settings["sigma"] for pair in pairs]
    return (
        f"{verdict}: over σ from {sigmas[-1]:g} to {sigmas[0]:g} the test accuracy ranges over "
        f"{words.points(plain.mean(), sign=False)} points without BN and over "
        f"{words.points(normalised.mean(), sign=False)} points with BN; the range is smaller by "
        f"{words.difference(less)}."
    )


def _table(pairs: Sequence[Pair]) -> Table:
    rows = [_row(plain, normalised) for plain, normalised in pairs]
    head = ("σ", "without BN", "learnt nothing", "with BN", "BN's gain (points, 95 % interval)")
    return Table("Test accuracy (mean ± std over seeds)", head, tuple(rows))


def _row(plain: Run, normalised: Run) -> tuple[str, ...]:
    gain: Estimate | None = paired_difference(normalised.test_accuracy, plain.test_accuracy)
    return (
        f"{plain.settings['sigma']:g}",
        words.spread(estimate(plain.test_accuracy)),
        f"{plain.dead} of {len(plain.seeds)}",
        words.spread(estimate(normalised.test_accuracy)),
        words.difference(gain),
    )


def _curves(pairs: Sequence[Pair]) -> Figure:
    both = [
        [Line("without BN", ORANGE, plain), Line("with BN", BLUE, normalised)]
        for plain, normalised in pairs
    ]
    panels = [
        Panel(
            f"Loss, σ = {lines[0].run.settings['sigma']:g}",
            lambda axes, lines=lines: draw_measure(axes, lines, "loss"),  # type: ignore[misc]
        )
        for lines in both
    ]
    panels.insert(0, Panel("Test accuracy, each seed", lambda axes: _draw(axes, pairs)))
    caption = "3 layers with normal initial weights of standard deviation σ in every layer."
    return Figure("sigma", caption, tuple(panels), legend(both[0]))


def _draw(axes: Axes, pairs: Sequence[Pair]) -> None:
    """Test accuracy over σ; lines join the means over seeds."""
    sigmas = [pair[0].settings["sigma"] for pair in pairs]
    for runs, colour in zip(zip(*pairs, strict=True), (ORANGE, BLUE), strict=True):
        axes.plot(sigmas, [100 * run.test_accuracy.mean() for run in runs], color=colour)
        for sigma, run in zip(sigmas, runs, strict=True):
            seeds = [sigma] * len(run.seeds)
            axes.plot(seeds, 100 * run.test_accuracy, "o", color=colour, ms=4, alpha=0.7)
    axes.set_xscale("log")
    axes.set_xticks(sigmas, [f"{sigma:g}" for sigma in sigmas])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    axes.set_xlabel("σ of the initial weights")
    axes.set_ylabel("test accuracy (%)")


def _layers(pairs: Sequence[Pair]) -> Figure:
    lines = [
        (Key(f"σ = {run.settings['sigma']:g}, {label}", COLOURS[i % len(COLOURS)], style), run)
        for i, pair in enumerate(pairs)
        for run, (label, style) in zip(pair, STYLES, strict=True)
    ]
    return layers_figure("sigma_layers", "What reaches each layer, for each σ.", lines)
