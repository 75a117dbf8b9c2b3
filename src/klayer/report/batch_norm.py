"""What BN does: in 3 layers, in 9 layers, and for small initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from klayer.report import words
from klayer.report.charts import (
    LAYERS,
    SMALLEST,
    Line,
    Row,
    layers_panel,
    layers_panels,
    lines_of,
    seeds_panel,
    training_figures,
    training_panel,
)
from klayer.report.comparison import (
    differences,
    effective,
    in_words,
    label,
    layers,
    more_than_bn,
    own,
    without_bn,
)
from klayer.report.document import Block, Figure, Panel, Section, Table
from klayer.report.drawing import BLUE, GREEN, INK, ORANGE, at_values
from klayer.report.evidence import Evidence, Pair, Run
from klayer.report.page import question, unanswered
from klayer.report.statistics import (
    Values,
    estimate,
    paired_difference,
    signs_of_means,
)
from klayer.report.verdicts import GAIN, NO_COMMON, NOT_JUDGED, Verdict, compared, judge

SEEDS = "plots/seeds/NAME.csv, NAME_bn.csv · stage train@NAME · dvc repro train@NAME train@NAME_bn"
QUESTIONS = {"three_layer": "shallow"}  # other pairs have their own name in docs/evidence.md
TRAINABLE = {2: "makes it trainable", **GAIN}
LEARNS = 0.5  # share of networks: more is trainable, no more is not
START = ("initialisation", "sigma")  # what nine_layer_he changes
LESS = {1: "less", 0: "no difference", -1: "more"}
STYLES = ("-", "--", ":", "-.")  # of the deviations of the initial weights


def shallow(evidence: Evidence) -> Section:
    """The 3-layer pair, its curves, and BN's gain in every pair."""
    pair, depth = evidence.pair("three_layer"), _depth(evidence, "three_layer")
    title = f"Does BN help the {depth} network?"
    if pair is None:
        why = evidence.missing("three_layer", "three_layer_bn")
        return unanswered("shallow", title, "not run", why)
    verdict = gain(evidence, "three_layer")
    if verdict is None:
        return unanswered("shallow", title, "not answered", _more(*pair))
    caption = f"{layers(pair[0].settings)}, trained with the same mini-batches (mean ± std)."
    shown, more = training_figures("three_layer", caption, lines_of(pair))
    return question(
        "shallow",
        title,
        verdict,
        blocks=[shown],
        details=[more, *_gains(evidence)],
        plain=pair[0],
        normalised=pair[1],
    )


def _depth(evidence: Evidence, name: str) -> str:
    """3-layer."""
    run = evidence.runs.get(name)
    usual = {"three_layer": "3-layer", "nine_layer": "9-layer"}[name]
    return layers(run.settings).removesuffix("s").replace(" ", "-") if run else usual


def _more(plain: Run, other: Run) -> str:
    return f"the two differ in more than BN: {more_than_bn(plain, other)}"


def gain(evidence: Evidence, name: str) -> Verdict | None:
    """The verdict on the run NAME_bn against NAME, by test accuracy.

    None when a run is missing, or when the two differ in more than BN.
    """
    pair = evidence.pair(name)
    if pair is None or more_than_bn(*pair):
        return None
    accuracies = (run.test_accuracy for run in pair)
    return compared(*accuracies, QUESTIONS.get(name, name))


def _gains(evidence: Evidence) -> list[Block]:
    """BN's gain in every pair. Large ones have a panel of their own, which would hide the small."""
    rows, small, large = [], [], []
    for name in evidence.runs:
        pair = evidence.pair(name)
        if pair is None:
            continue
        verdict = gain(evidence, name)
        title = f"“{name}”" if own(pair[0]) else _without(label(pair[0].settings))
        accuracies = [words.spread(run.test_accuracy) for run in pair]
        if verdict is None:
            rows.append((title, *accuracies, "", f"not BN alone: {more_than_bn(*pair)}"))
            continue
        certainty = f"{verdict.certainty} ({verdict.percent} %)" if verdict.share else verdict.why
        rows.append((title, *accuracies, words.difference(verdict.estimate), certainty))
        if verdict.estimate:
            points = (100 * (pair[1].test_accuracy - pair[0].test_accuracy)).dropna()
            group = small if abs(verdict.estimate.mean) < 0.05 else large
            group.append(Row(title, points, BLUE))
    xlabel = "test accuracy with BN less without (points)"
    panels = [
        seeds_panel(title, group, xlabel)
        for title, group in (("Gains of less than 5 points", small), ("Larger gains", large))
        if group
    ]
    head = ("pair", "without BN (%)", "with BN (%)", "BN's gain", "certainty")
    table = Table("Test accuracy of every pair (mean ± std over seeds)", head, rows, SEEDS)
    figure = Figure("gain", "Test accuracy with BN less without, of every pair.", panels, SEEDS)
    return [figure, table] if panels else [table]


def _without(title: str) -> str:
    return title.replace(", without BN", "")


def deep(evidence: Evidence) -> Section:
    """BN in the 9-layer network, why it dies without, and whether He initialisation saves it."""
    pair, depth = evidence.pair("nine_layer"), _depth(evidence, "nine_layer")
    title = f"Does BN make the {depth} network trainable?"
    if pair is None:
        why = evidence.missing("nine_layer", "nine_layer_bn")
        return unanswered("deep", title, "not run", why)
    verdict = trainable(evidence, "nine_layer_bn")
    if verdict is None:
        return unanswered("deep", title, "not answered", _more(*pair))
    lines, he = deep_lines(evidence), evidence.runs.get("nine_layer_he")
    scores = layers_panel(lines, "score_std", 0, "Signal at the first step")
    caption = (
        f"Left: how far the scores of a mini-batch spread, layer by layer (values under "
        f"{SMALLEST:g} are drawn there). Right: accuracy of the same networks (mean ± std)."
    )
    shown, more = training_figures("nine_layer", caption, lines, [scores])
    other = Figure("nine_layer_layers", "The same networks.", layers_panels(lines)[1:], LAYERS)
    return question(
        "deep",
        title,
        verdict,
        blocks=[shown],
        details=[more, other],
        plain=pair[0],
        normalised=pair[1],
        he=trainable(evidence, "nine_layer_he"),
        he_run=he,
        start=he and in_words("initialisation", he.settings["initialisation"]),
        fading=_fading,
        gradient=lambda run: float(run.at_probe(0, "gradient_norm").iloc[0]),
    )


def deep_lines(evidence: Evidence) -> list[Line]:
    """The 9-layer networks, without and with BN, and with He initialisation where it was run."""
    pair = evidence.pair("nine_layer")
    lines = lines_of(pair) if pair else []
    if trainable(evidence, "nine_layer_he"):
        lines.append(Line("without BN, He initialisation", GREEN, evidence.runs["nine_layer_he"]))
    return lines


def readme_picture(evidence: Evidence) -> list[Figure]:
    """What the README shows: the signal on its way through the layers, beside the accuracy."""
    lines = deep_lines(evidence)
    if not lines:
        return []
    signal = layers_panel(lines, "score_std", 0, "The signal, layer by layer, before training")
    accuracy = training_panel(lines, "accuracy", "Accuracy of the same networks")
    return [Figure("readme", "", [replace(p, width=4.6, height=3.4) for p in (signal, accuracy)])]


def trainable(evidence: Evidence, better: str) -> Verdict | None:
    """The verdict on a run against `nine_layer`: a gain, and how many networks learn.

    None when a run is missing, or when the two differ in more than what is asked.
    """
    if evidence.missing("nine_layer", better):
        return None
    plain, other = evidence.runs["nine_layer"], evidence.runs[better]
    he = better == "nine_layer_he"
    if differences(other.settings, plain.settings, START) if he else more_than_bn(plain, other):
        return None
    name, names = "he" if he else "deep", ("nine_layer", better)
    accuracy, learnt = evidence.table(*names), evidence.table(*names, measure="learnt")
    if not len(accuracy):
        return Verdict(name, NOT_JUDGED, why=NO_COMMON)
    table = np.concatenate([accuracy, learnt], axis=1)
    return judge(name, table, _directions, TRAINABLE, estimate(accuracy[:, 1] - accuracy[:, 0]))


def _directions(tables: Values) -> np.ndarray:
    """Columns: accuracy of the plain and of the better run, whether each learnt."""
    gain = signs_of_means(tables[..., 1] - tables[..., 0])
    plain, better = (tables[..., column].mean(axis=-1) for column in (2, 3))
    return np.where((gain > 0) & (better > LEARNS) & (plain <= LEARNS), 2, gain)


def _fading(run: Run) -> float:
    """How many times smaller the scores of the last layer are than the first's, at the start."""
    scores = run.at_probe(0, "score_std").clip(lower=SMALLEST)
    return float(scores.iloc[0] / scores.iloc[-1])


def initial_weights(evidence: Evidence) -> Section:
    """How far the accuracy moves over σ, with and without BN."""
    title, verdict = "Does BN make the initial weights matter less?", start(evidence)
    pairs = [pair for name, _ in sigma_pairs(evidence) if (pair := evidence.pair(name))]
    if verdict is None:
        why = "fewer than two pairs NAME and NAME_bn with normal initial weights differ in σ alone"
        return unanswered("start", title, "not run", why)
    rows = [
        (
            f"{plain.settings['sigma']:g}",
            *(words.spread(run.test_accuracy) for run in (plain, normalised)),
            words.difference(paired_difference(normalised.test_accuracy, plain.test_accuracy)),
            f"{plain.failed} of {len(plain.seeds)}",
            f"{normalised.failed} of {len(normalised.seeds)}",
        )
        for plain, normalised in pairs
    ]
    head = ("σ", "without BN (%)", "with BN (%)", "BN's gain", "failed without", "failed with")
    table = Table("Test accuracy (mean ± std over seeds)", head, rows, SEEDS)
    first = Panel("Test accuracy of each seed", partial(_draw_sigma, pairs))
    last = pairs[-1]
    loss = training_panel(
        lines_of(last), "loss", f"Loss, σ = {last[0].settings['sigma']:g}"
    )
    others = [
        training_panel(lines_of(pair), "loss", f"Loss, σ = {pair[0].settings['sigma']:g}")
        for pair in pairs[:-1]
    ]
    lines = [
        Line(f"σ = {run.settings['sigma']:g}, {kind}", colour, run, STYLES[i % len(STYLES)])
        for kind, colour, place in (("without BN", ORANGE, 0), ("with BN", BLUE, 1))
        for i, run in enumerate(pair[place] for pair in pairs)
    ]
    caption = f"{layers(last[0].settings)}, normal initial weights of standard deviation σ."
    return question(
        "start",
        title,
        verdict,
        blocks=[Figure("sigma", caption, [first, loss], SEEDS), table],
        details=[
            Figure("sigma_loss", "The loss at other σ.", others, SEEDS),
            Figure("sigma_layers", "What reaches each layer.", layers_panels(lines), LAYERS),
        ],
        ranges=_ranges(evidence),
        sigmas=[pair[0].settings["sigma"] for pair in pairs],
        left_out=sorted(set(_normal(evidence)) - {plain for plain, _ in sigma_pairs(evidence)}),
    )


def sigma_pairs(evidence: Evidence) -> list[tuple[str, str]]:
    """The names of pairs with normal initial weights that differ in σ alone, the largest σ first;
    where there are several such groups, the largest one.
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


def _accuracies(evidence: Evidence) -> Values:
    """By seed (rows), of all networks without BN, then of all with."""
    without, normalised = zip(*sigma_pairs(evidence), strict=True)
    return evidence.table(*without, *normalised)


def start(evidence: Evidence) -> Verdict | None:
    """The verdict on the range over σ, without BN less with; None under two pairs."""
    if len(sigma_pairs(evidence)) < 2:
        return None
    table = _accuracies(evidence)
    if not len(table):
        return Verdict("start", NOT_JUDGED, why=NO_COMMON)
    return judge("start", table, lambda t: signs_of_means(_less(t)), LESS, estimate(_less(table)))


def _less(tables: Values) -> Values:
    """How much smaller the range of each seed's accuracies is with BN."""
    half = tables.shape[-1] // 2
    return np.asarray(np.ptp(tables[..., :half], axis=-1) - np.ptp(tables[..., half:], axis=-1))


def _ranges(evidence: Evidence) -> list[float]:
    """The mean range over σ, without BN and with."""
    table = _accuracies(evidence)
    halves = np.split(table, 2, axis=1) if len(table) else []
    return [float(np.ptp(half, axis=1).mean()) for half in halves]


def _draw_sigma(pairs: Sequence[Pair], axes: Axes) -> None:
    """Test accuracy over σ; lines join the means over seeds."""
    sigmas = [pair[0].settings["sigma"] for pair in pairs]
    kinds = zip(zip(*pairs, strict=True), ("without BN", "with BN"), (ORANGE, BLUE), strict=True)
    for runs, kind, colour in kinds:
        means = [100 * run.test_accuracy.mean() for run in runs]
        axes.plot(sigmas, means, color=colour, label=f"{kind}, mean")
        for sigma, run in zip(sigmas, runs, strict=True):
            accuracies = 100 * run.test_accuracy
            axes.plot([sigma] * len(accuracies), accuracies, "o", color=colour, ms=4, alpha=0.7)
    at_values(axes, sigmas)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("σ of the initial weights")
    axes.set_ylabel("test accuracy (%)")
