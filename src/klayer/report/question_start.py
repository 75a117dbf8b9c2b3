"""Does BN make the initial weights matter less? Normal initial weights of several deviations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from klayer.report import words
from klayer.report.charts import draw_measure, layers_figure, legend, lines_of
from klayer.report.comparison import effective, more_than_bn, without_bn
from klayer.report.document import Block, Figure, Key, Panel, Section, Table, Text
from klayer.report.drawing import BLUE, GREEN, ORANGE, PURPLE
from klayer.report.evidence import Evidence, Pair
from klayer.report.statistics import Values, estimate, paired_difference, signs_of_means
from klayer.report.verdicts import NO_COMMON, Answer, judge, unjudged

TITLE = "Does BN make the initial weights matter less?"
WORDS = {1: "less", 0: "no difference", -1: "more"}
SAID = {
    "less": "Yes",
    "more": "No, it makes them matter more",
    "no difference": "No difference",
}
SOURCE = "plots/seeds/sigma_*.csv · stage train@sigma_* · dvc repro train"
COLOURS = (BLUE, GREEN, PURPLE, ORANGE)  # of the deviations
STYLES: Sequence[tuple[str, Literal[":", "-"]]] = (("no BN", ":"), ("BN", "-"))


def section(evidence: Evidence) -> Section:
    """Compares how far the accuracy moves over the deviations, with and without BN."""
    found = answer(evidence)
    if found is None:
        why = (
            "Not answered: params.yaml has fewer than two pairs NAME and NAME_bn whose normal "
            "initial weights have different σ and that are equal in all else but BN."
        )
        return Section("start", TITLE, why)
    pairs = _pairs(evidence)
    blocks: list[Block] = [_table(pairs), _curves(pairs), _layers(pairs)]
    if left := [name for name in _normal(evidence) if name not in dict(names(evidence))]:
        out = "not among them, as more than σ or BN is different"
        blocks.insert(1, Text(f"With normal initial weights, but {out}: {', '.join(left)}."))
    return Section("start", TITLE, _answer(evidence, found), blocks)


def names(evidence: Evidence) -> list[tuple[str, str]]:
    """The pairs of runs with normal initial weights that differ in the deviation alone, the largest
    first; where there are several such groups, the largest one.
    """
    groups: dict[str, dict[float, str]] = {}
    for name in _normal(evidence):
        pair = evidence.pair(name)
        if pair and not more_than_bn(*pair):
            settings = without_bn(pair[0].settings)
            sigma = settings.pop("sigma")
            group = groups.setdefault(repr(sorted(settings.items())), {})
            group.setdefault(sigma, name)
    largest = max(groups.values(), key=len, default={})
    return [(largest[sigma], f"{largest[sigma]}_bn") for sigma in sorted(largest, reverse=True)]


def _normal(evidence: Evidence) -> list[str]:
    """Names of runs without BN that have one with it, both with normal initial weights."""
    return [
        name
        for name in evidence.runs
        if (pair := evidence.pair(name)) and all("sigma" in effective(run.settings) for run in pair)
    ]


def _pairs(evidence: Evidence) -> list[Pair]:
    return [pair for plain, _ in names(evidence) if (pair := evidence.pair(plain))]


def answer(evidence: Evidence) -> Answer | None:
    """The verdict on the range over the deviations, without BN less with.

    None under two pairs; without an estimate when they have no seed in common.
    """
    pairs = names(evidence)
    if len(pairs) < 2:
        return None
    table = evidence.table([name for pair in zip(*pairs, strict=True) for name in pair])
    if table is None:
        return Answer("start", unjudged(NO_COMMON), None)
    values = table.to_numpy(np.float64)  # columns: all without BN, then all with
    less = estimate(_less(values))
    verdict = judge(values, lambda t: signs_of_means(_less(t)), WORDS, less.scatters)
    return Answer("start", verdict, less)


def _less(tables: Values) -> Values:
    """How much smaller the range of each seed's accuracies is with BN."""
    half = tables.shape[-1] // 2
    return np.asarray(np.ptp(tables[..., :half], axis=-1) - np.ptp(tables[..., half:], axis=-1))


def _answer(evidence: Evidence, found: Answer) -> str:
    pairs = names(evidence)
    largest, smallest = (
        pair[0].settings["sigma"] for pair in (_pairs(evidence)[i] for i in (0, -1))
    )
    tables = [evidence.table(of_kind) for of_kind in zip(*pairs, strict=True)]
    ranges = [
        words.points(float(np.ptp(table, axis=1).mean()), sign=False)
        for table in tables
        if table is not None
    ]
    over = f"{found.verdict.opening(SAID)}over σ from {smallest:g} to {largest:g} the test accuracy"
    if found.estimate is None or len(ranges) < 2:
        return f"{over} cannot be compared seed by seed."
    without, with_bn = ranges
    return (
        f"{over} ranges over {without} points without BN and over {with_bn} with BN; the "
        f"range is smaller by {words.difference(found.estimate)}."
    )


def _table(pairs: Sequence[Pair]) -> Table:
    rows = [
        (
            f"{plain.settings['sigma']:g}",
            words.spread(estimate(plain.test_accuracy)),
            f"{plain.failed} of {len(plain.seeds)}",
            words.spread(estimate(normalised.test_accuracy)),
            words.difference(paired_difference(normalised.test_accuracy, plain.test_accuracy)),
        )
        for plain, normalised in pairs
    ]
    head = ("σ", "without BN", "learnt nothing", "with BN", "BN's gain (points, 95 % interval)")
    return Table("Test accuracy (mean ± std over seeds)", head, rows, SOURCE)


def _curves(pairs: Sequence[Pair]) -> Figure:
    panels = [
        Panel("Test accuracy, each seed", partial(_draw, pairs=pairs)),
        *(
            Panel(
                f"Loss, σ = {pair[0].settings['sigma']:g}",
                partial(draw_measure, lines=lines_of(pair), measure="loss"),
            )
            for pair in pairs
        ),
    ]
    layers = words.layers(pairs[0][0].settings)
    caption = f"{layers} with normal initial weights of standard deviation σ in every layer."
    return Figure("sigma", caption, panels, legend(lines_of(pairs[0])), source=SOURCE)


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
