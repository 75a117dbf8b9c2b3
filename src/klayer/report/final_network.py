"""The network with the best λ: its mistakes, its weights, and more cycles of training."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from klayer.report import words
from klayer.report.curves import Line, training_figure
from klayer.report.document import Example, Examples, Figure, Panel, Pictures, Section, Text
from klayer.report.drawing import BLUE, GREEN, INK
from klayer.report.evidence import Evidence
from klayer.report.statistics import estimate, paired_difference

SHOWN = 3  # classes of an example
WEIGHTS = {  # whose first layer is shown
    "three_layer": "3 layers",
    "three_layer_bn": "3 layers, BN",
    "nine_layer": "9 layers",
    "nine_layer_bn": "9 layers, BN",
}


def section(evidence: Evidence) -> Section:
    """What it gets wrong, what more cycles bring, what the first layers look for."""
    cycles = evidence.longer.settings["cycles"]
    gain = paired_difference(evidence.longer.test_accuracy, evidence.best.test_accuracy)
    verdict = words.verdict(
        gain, "more cycles help", "more cycles harm", "no gain from more cycles is shown"
    )
    l2, accuracy = evidence.best.settings["l2"], estimate(evidence.best.test_accuracy)
    answer = (
        f"With λ = {words.strength(l2)} the test accuracy is {words.spread(accuracy)}; with "
        f"{cycles} cycles it changes by {words.difference(gain)}: {verdict}."
    )
    lines = [
        Line(f"{evidence.best.settings['cycles']} cycles", BLUE, evidence.best),
        Line(f"{cycles} cycles", GREEN, evidence.longer),
    ]
    blocks = (
        Figure("confusion", "Test images, mean over seeds.", (_confusion(evidence),)),
        Text(_mistakes(evidence.confusion)),
        _examples(evidence),
        training_figure("train_best", "The best λ, usual and longer training.", lines[::-1]),
        _weights(evidence),
    )
    return Section("final", "What does the final network do?", answer, blocks)


def _confusion(evidence: Evidence) -> Panel:
    table = evidence.confusion
    names = list(dict.fromkeys(table["actual"]))
    counts = table.pivot_table(index="actual", columns="predicted", values="count", sort=False)
    shares = counts.reindex(index=names, columns=names).to_numpy(np.float64)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1)
    return Panel(
        "Predicted class (% of each row)", lambda axes: _draw(axes, shares, names), 1.1, 0.95
    )


def _draw(axes: Axes, shares: np.ndarray, names: list[str]) -> None:
    largest = max(float(shares.max()), 1e-9)
    for row, column in np.ndindex(shares.shape):
        share = shares[row, column]
        axes.fill_between(
            [column - 0.5, column + 0.5],
            row - 0.5,
            row + 0.5,
            color=BLUE,
            lw=0,
            alpha=0.75 * share / largest,
        )
        text = f"{100 * share:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color=INK)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.set_ylabel("actual class")


def _mistakes(confusion: pd.DataFrame) -> str:
    """The classes it knows best and worst, and the most frequent mistake."""
    right = confusion[confusion["actual"] == confusion["predicted"]].set_index("actual")["count"]
    known = right / confusion.groupby("actual")["count"].sum()
    wrong = confusion[confusion["actual"] != confusion["predicted"]]
    worst = wrong.sort_values("count", ascending=False, kind="stable").iloc[0]
    return (
        f"It knows {known.idxmax()} best ({100 * known.max():.0f} %) and {known.idxmin()} worst "
        f"({100 * known.min():.0f} %). Its most frequent mistake: {worst['actual']} taken for "
        f"{worst['predicted']}, {worst['count']:.0f} times."
    )


def _examples(evidence: Evidence) -> Examples:
    examples = []
    for _, rows in evidence.examples.groupby("image"):
        top = rows.nlargest(SHOWN, "probability")
        pairs = tuple(zip(top["class"], top["probability"].astype(float), strict=True))
        examples.append(Example(str(rows["actual"].iloc[0]), pairs))
    caption = "The first test images, with the probabilities (mean over seeds)."
    return Examples(caption, evidence.best.weights.with_name("examples.png"), tuple(examples))


def _weights(evidence: Evidence) -> Pictures:
    files = [(t, evidence.runs[n].weights) for n, t in WEIGHTS.items() if n in evidence.runs]
    caption = (
        "Weights of the first layer, a picture for each unit (first seed): each scaled by its "
        "largest weight, grey is 0."
    )
    return Pictures(caption, tuple(files) or (("3 layers, BN, best λ", evidence.best.weights),))
