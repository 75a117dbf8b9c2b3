"""What BN does: in 3 layers, in 9 layers, and for small initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes

from klayer.report.charts import (
    SMALLEST,
    Line,
    layers_panel,
    learning_rate_panels,
    lines_of,
    source,
    training_panel,
)
from klayer.report.comparison import differences, in_words, layers, only_bn
from klayer.report.document import Figure, Panel, Section
from klayer.report.drawing import BLUE, GREEN, ORANGE, at_values
from klayer.report.evidence import Evidence, Pair, Run, Unanswered
from klayer.report.page import asks, attempt, question
from klayer.report.statistics import Values, estimate, signs_of_means
from klayer.report.verdicts import GAIN, Verdict, compared, judge

TRAINABLE = {2: "makes it trainable", **GAIN}
LEARNS = 0.5  # share of networks: more is trainable, no more is not
LESS = {1: "less", 0: "no difference", -1: "more"}
STYLES = ("-", "--", ":", "-.")  # of the deviations σ


@asks("shallow", "Does BN help the 3-layer network?")
def shallow(evidence: Evidence) -> Section:
    """The 3-layer pair and its curves."""
    pair = evidence.pair("three_layer")
    lines, depth = lines_of(pair), layers(pair[0].settings)
    panels = [training_panel(lines, "accuracy"), training_panel(lines, "loss")]
    caption = f"{depth}, trained with the same mini-batches; mean ± std over seeds."
    panels += learning_rate_panels(lines)
    return question(
        "shallow",
        f"Does BN help the {_adjective(depth)} network?",
        gain(evidence, "three_layer"),
        blocks=[
            Figure("three_layer", caption, panels, source("plots/train/three_layer*.csv", pair))
        ],
        pair=pair,
    )


def _adjective(depth: str) -> str:
    """3-layer, of 3 layers."""
    return depth.removesuffix("s").replace(" ", "-")


def gain(evidence: Evidence, name: str) -> Verdict:
    """The verdict on the run NAME_bn against NAME, by test accuracy.

    Raises Unanswered when a run is missing, or when the two differ in more than BN.
    """
    plain, normalised = only_bn(evidence.pair(name))
    question = {"three_layer": "shallow"}.get(name, name)
    return compared(plain.test_accuracy, normalised.test_accuracy, question)


@asks("deep", "Does BN make the 9-layer network trainable?")
def deep(evidence: Evidence) -> Section:
    """BN in the 9-layer network, why it dies without, and whether He initialisation saves it."""
    pair, verdict = evidence.pair("nine_layer"), trainable(evidence, "nine_layer_bn")
    lines, he = deep_lines(evidence), attempt(trainable, evidence, "nine_layer_he")
    run = evidence.runs["nine_layer_he"] if he else None
    shown = [
        layers_panel(lines, "score_std", "Signal before training"),
        training_panel(lines, "accuracy"),
    ]
    folded = [
        layers_panel(lines, "gradient_norm", "Gradients, first step"),
        training_panel(lines, "loss"),
    ]
    files = "plots/runs/nine_layer*/layers.csv, plots/train/nine_layer*.csv"
    how_to_get = source(files, [line.run for line in lines])
    caption = (
        "Left: how far the scores of a mini-batch spread at the first step, layer by layer (values "
        f"smaller than {SMALLEST:g} are drawn there). Right: mean ± std over seeds."
    )
    return question(
        "deep",
        f"Does BN make the {_adjective(layers(pair[0].settings))} network trainable?",
        verdict,
        blocks=[Figure("nine_layer", caption, shown, how_to_get)],
        details=[Figure("nine_layer_more", "The same networks.", folded, how_to_get)],
        pair=pair,
        he=he,
        he_run=run,
        start=run and in_words("initialisation", run.settings["initialisation"]),
        fading=_fading,
    )


def deep_lines(evidence: Evidence) -> list[Line]:
    """The 9-layer networks, without and with BN, and with He initialisation where it was run."""
    lines = lines_of(evidence.pair("nine_layer"))
    if attempt(trainable, evidence, "nine_layer_he"):
        run = evidence.runs["nine_layer_he"]
        start = in_words("initialisation", run.settings["initialisation"])
        lines.append(Line(f"without BN, {start}", GREEN, run))
    return lines


def readme_picture(evidence: Evidence) -> Figure:
    """What the README shows: the signal on its way through the layers, beside the accuracy.

    Raises Unanswered when a run is missing.
    """
    lines = deep_lines(evidence)
    panels = (
        layers_panel(lines, "score_std", "The signal, layer by layer, before training"),
        training_panel(lines, "accuracy", "Accuracy of the same networks"),
    )
    return Figure("readme", "", [replace(panel, width=4.4, height=3.3) for panel in panels])


def trainable(evidence: Evidence, better: str) -> Verdict:
    """The verdict on a run against `nine_layer`: a gain, and how many networks learn.

    Raises Unanswered when a run is missing, or when the two differ in more than what is asked.
    """
    names = ("nine_layer", better)
    plain, other = (evidence.run(name) for name in names)
    if better == "nine_layer_he":
        if other_settings := differences(
            other.settings, plain.settings, ("initialisation", "sigma")
        ):
            raise Unanswered(f"{better} differs in more than its initial weights: {other_settings}")
    else:
        only_bn((plain, other))
    measures = [evidence.table(*names, measure=measure) for measure in ("test_accuracy", "learnt")]
    table = np.concatenate(measures, axis=1)
    name = {"nine_layer_he": "he"}.get(better, "deep")
    return judge(name, table, lambda t: estimate(t[:, 1] - t[:, 0]), _directions, TRAINABLE)


def _directions(tables: Values) -> np.ndarray:
    """Columns: accuracy of the plain and of the better run, whether each learnt."""
    gain = signs_of_means(tables[..., 1] - tables[..., 0])
    plain, better = (tables[..., column].mean(axis=-1) for column in (2, 3))
    return np.where((gain > 0) & (better > LEARNS) & (plain <= LEARNS), 2, gain)


def _fading(run: Run) -> float:
    """How many times smaller the scores of the last layer are than the first's, at the start."""
    scores = run.at_start("score_std").clip(lower=SMALLEST)
    return float(scores.iloc[0] / scores.iloc[-1])


@asks("start", "Does BN make the initial weights matter less?")
def initial_weights(evidence: Evidence) -> Section:
    """How far the accuracy moves over σ, with and without BN."""
    verdict, pairs = start(evidence), sigma_pairs(evidence)
    accuracies = evidence.table(*_by_kind(pairs))
    halves = np.split(accuracies, 2, axis=1) if len(accuracies) else []
    lines = [
        Line(f"{line.label}, σ = {line.run.settings['sigma']:g}", line.colour, line.run, style)
        for pair, style in zip(pairs, cycle(STYLES))
        for line in lines_of(pair)
    ]
    panels = [
        Panel("Test accuracy of each seed", partial(_draw_sigma, pairs)),
        layers_panel(lines, "score_std", "Signal before training"),
    ]
    files, runs = (
        "plots/seeds/sigma_*.csv, plots/runs/sigma_*/layers.csv",
        [line.run for line in lines],
    )
    caption = f"{layers(pairs[0][0].settings)}, normal initial weights of standard deviation σ."
    return question(
        "start",
        "Does BN make the initial weights matter less?",
        verdict,
        blocks=[Figure("sigma", caption, panels, source(files, runs))],
        ranges=[float(np.ptp(half, axis=1).mean()) for half in halves],
        pairs=pairs,
    )


def sigma_pairs(evidence: Evidence) -> list[Pair]:
    """The pairs sigma_..., of normal initial weights, the largest σ first.

    Raises Unanswered where there are fewer than two, or more than σ and BN is different.
    """
    names = [n for n in evidence.runs if n.startswith("sigma_") and not n.endswith("_bn")]
    pairs = [only_bn(evidence.pair(name)) for name in names]
    if len(pairs) < 2:
        raise Unanswered("params.yaml has fewer than two pairs sigma_X and sigma_X_bn")
    for plain, _ in pairs:
        if plain.settings["initialisation"] != "normal":
            raise Unanswered(f"the initial weights of {plain.name} are not normal")
        if other_settings := differences(plain.settings, pairs[0][0].settings, but=("sigma",)):
            raise Unanswered(
                f"{plain.name} differs from {names[0]} in more than σ: {other_settings}"
            )
    return sorted(pairs, key=lambda pair: -pair[0].settings["sigma"])


def _by_kind(pairs: Sequence[Pair]) -> list[str]:
    """The names of all runs without BN, then of all with."""
    return [run.name for runs in zip(*pairs, strict=True) for run in runs]


def start(evidence: Evidence) -> Verdict:
    """The verdict on the range over σ, without BN less with."""
    table = evidence.table(*_by_kind(sigma_pairs(evidence)))
    return judge(
        "start", table, lambda t: estimate(_less(t)), lambda t: signs_of_means(_less(t)), LESS
    )


def _less(tables: Values) -> Values:
    """How much smaller the range of each seed's accuracies is with BN."""
    half = tables.shape[-1] // 2
    return np.asarray(np.ptp(tables[..., :half], axis=-1) - np.ptp(tables[..., half:], axis=-1))


def _draw_sigma(pairs: Sequence[Pair], axes: Axes) -> None:
    """Test accuracy over σ; lines join the means over seeds."""
    sigmas = [pair[0].settings["sigma"] for pair in pairs]
    for runs, colour in zip(zip(*pairs, strict=True), (ORANGE, BLUE), strict=True):
        label = "without BN, mean" if colour == ORANGE else "with BN, mean"
        means = [100 * run.test_accuracy.mean() for run in runs]
        axes.plot(sigmas, means, color=colour, label=label)
        for sigma, run in zip(sigmas, runs, strict=True):
            accuracies = 100 * run.test_accuracy
            axes.plot([sigma] * len(accuracies), accuracies, "o", color=colour, ms=4, alpha=0.7)
    at_values(axes, {sigma: f"{sigma:g}" for sigma in sigmas})
    axes.set_ylim(bottom=0)
    axes.set_xlabel("σ of the initial weights")
    axes.set_ylabel("test accuracy (%)")
