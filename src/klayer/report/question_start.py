"""Does BN make the initial weights matter less? Normal initial weights of several deviations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from klayer.report import words
from klayer.report.curves import Line, draw_measure, legend
from klayer.report.document import Block, Figure, Key, Panel, Section, Table
from klayer.report.drawing import BLUE, GREEN, ORANGE, PURPLE
from klayer.report.evidence import Evidence, Run, Study
from klayer.report.layer_charts import layers_figure
from klayer.report.statistics import (
    Estimate,
    Values,
    estimate,
    paired_difference,
    signs_of_means,
)
from klayer.report.verdicts import Answer, judge

Pair = tuple[Run, Run]
WORDS = {1: "less", 0: "no difference", -1: "more"}
SOURCE = "plots/seeds/sigma_*.csv · stage train@sigma_* · dvc repro train"
COLOURS = (BLUE, GREEN, PURPLE, ORANGE)  # of the deviations
STYLES: Sequence[tuple[str, Literal[":", "-"]]] = (("no BN", ":"), ("BN", "-"))


def section(evidence: Evidence) -> Section:
    """Compares how far the accuracy moves over the deviations, with and without BN."""
    title, pairs = "Does BN make the initial weights matter less?", _pairs(evidence)
    found = answer(evidence.study)
    if found is None:
        why = (
            "Not answered: params.yaml has fewer than two pairs NAME and NAME_bn with normal "
            "initial weights and a seed in common."
        )
        return Section("start", title, why, ())
    blocks: list[Block] = [_table(pairs), _curves(pairs), _layers(pairs)]
    return Section("start", title, _answer(evidence.study, pairs, found), tuple(blocks))


def _pairs(evidence: Evidence) -> list[Pair]:
    """Without and with BN, the largest deviation first."""
    pairs = [evidence.pair(plain) for plain, _ in names(evidence.study)]
    return [pair for pair in pairs if pair]


def names(study: Study) -> list[tuple[str, str]]:
    """The pairs of runs with normal initial weights, the largest deviation first."""
    normal = [n for n, about in study.settings.items() if about["initialisation"] == "normal"]
    pairs = [(name, f"{name}_bn") for name in normal if f"{name}_bn" in normal]
    return sorted(pairs, key=lambda pair: -study.settings[pair[0]]["sigma"])


def answer(study: Study) -> Answer | None:
    """The verdict on the range over the deviations, without BN less with; None under two pairs."""
    pairs = names(study)
    table = study.table([name for pair in zip(*pairs, strict=True) for name in pair])
    if len(pairs) < 2 or table is None:
        return None
    values = table.to_numpy(np.float64)  # columns: all without BN, then all with
    return Answer("start", judge(values, _directions, WORDS), estimate(_less(values)))


def _ranges(tables: Values) -> Values:
    """Largest less smallest accuracy of each seed."""
    return np.asarray(tables.max(axis=-1) - tables.min(axis=-1))


def _less(tables: Values) -> Values:
    half = tables.shape[-1] // 2
    return _ranges(tables[..., :half]) - _ranges(tables[..., half:])


def _directions(tables: Values) -> np.ndarray:
    return signs_of_means(_less(tables))


def _answer(study: Study, pairs: Sequence[Pair], found: Answer) -> str:
    said = {
        "less": "Yes",
        "more": "No, it makes them matter more",
        "no difference": "No difference",
    }
    sigmas = [pair[0].settings["sigma"] for pair in pairs]
    ranges = []
    for of_kind in zip(*names(study), strict=True):
        table = study.table(of_kind)
        ranges.append(0.0 if table is None else float(_ranges(table.to_numpy(np.float64)).mean()))
    return (
        f"{said[found.verdict.direction]} ({found.verdict}): over σ from {sigmas[-1]:g} to "
        f"{sigmas[0]:g} the test accuracy ranges over {words.points(ranges[0], sign=False)} points "
        f"without BN and over {words.points(ranges[1], sign=False)} with BN; the range is smaller "
        f"by {words.difference(found.estimate)}."
    )


def _table(pairs: Sequence[Pair]) -> Table:
    rows = [_row(plain, normalised) for plain, normalised in pairs]
    head = ("σ", "without BN", "learnt nothing", "with BN", "BN's gain (points, 95 % interval)")
    return Table("Test accuracy (mean ± std over seeds)", head, tuple(rows), SOURCE)


def _row(plain: Run, normalised: Run) -> tuple[str, ...]:
    gain: Estimate | None = paired_difference(normalised.test_accuracy, plain.test_accuracy)
    return (
        f"{plain.settings['sigma']:g}",
        words.spread(estimate(plain.test_accuracy)),
        f"{plain.failed} of {len(plain.seeds)}",
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
    return Figure("sigma", caption, tuple(panels), legend(both[0]), source=SOURCE)


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
