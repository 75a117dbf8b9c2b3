"""The network with the best λ: its mistakes, its training, and the first layers' weights."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from klayer.report import words
from klayer.report.curves import Line, training_figure
from klayer.report.document import Example, Examples, Figure, Panel, Pictures, Section
from klayer.report.drawing import BLUE, GREEN, INK, ORANGE, PURPLE
from klayer.report.evidence import Evidence
from klayer.report.statistics import estimate

SHEET = Path("plots/examples.png")  # of the stage preprocess
SHOWN = 3  # classes of an example
COLOURS = (BLUE, GREEN, ORANGE, PURPLE)  # of the schedules
WEIGHTS = {  # whose first layer is shown, beside the best λ's
    "three_layer": "3 layers",
    "three_layer_bn": "3 layers, BN",
    "nine_layer": "9 layers",
    "nine_layer_bn": "9 layers, BN",
}


def section(evidence: Evidence) -> Section:
    """What it gets right and wrong, how it was trained, what the first layers look for."""
    l2, accuracy = evidence.best.settings["l2"], estimate(evidence.best.test_accuracy)
    answer = (
        f"With λ = {words.l2(l2)}, trained as in the search, its test accuracy is "
        f"{words.spread(accuracy)}. {_mistakes(evidence.confusion)}"
    )
    blocks = (
        _confusion(evidence),
        _examples(evidence),
        _training(evidence),
        _weights(evidence),
    )
    return Section("final", "What does the final network do?", answer, blocks)


def _source(evidence: Evidence, table: str) -> str:
    """Of a table of the best λ's run."""
    name = evidence.best.name
    stage = f"train_best@{name.removeprefix('best_')}"
    return f"plots/runs/{name}/{table}.csv · stage {stage} · dvc repro {stage}"


def _confusion(evidence: Evidence) -> Figure:
    table = evidence.confusion
    names = list(dict.fromkeys(table["actual"]))
    counts = table.pivot_table(index="actual", columns="predicted", values="count", sort=False)
    shares = counts.reindex(index=names, columns=names).to_numpy(np.float64)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1)
    title = "Predicted class (% of each row)"
    panel = Panel(title, lambda axes: _draw(axes, shares, names), 1.1, 0.95)
    caption = "The test images by class, mean over seeds."
    return Figure("confusion", caption, (panel,), source=_source(evidence, "confusion"))


def _draw(axes: Axes, shares: NDArray[np.float64], names: list[str]) -> None:
    paint = LinearSegmentedColormap.from_list("share", ["white", BLUE])
    axes.imshow(shares, paint, aspect="auto", vmin=0, vmax=max(1.3 * shares.max(), 1e-9))
    for row, column in np.ndindex(shares.shape):
        text = f"{100 * shares[row, column]:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color=INK)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
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
    return Examples(caption, SHEET, tuple(examples), _source(evidence, "examples"))


def _training(evidence: Evidence) -> Figure:
    """The longest schedule is drawn first, so that the others can be seen on it."""
    runs = [evidence.runs[name] for name in evidence.schedules]
    lines = [
        Line(run.name.removeprefix("best_").replace("_", " "), colour, run)
        for run, colour in zip(runs, itertools.cycle(COLOURS))
    ]
    lines.sort(key=lambda line: -line.run.curves["step"].iloc[-1])
    caption = "The best λ, trained by each schedule."
    return training_figure("train_best", caption, lines)


def _weights(evidence: Evidence) -> Pictures:
    files = [(t, evidence.runs[n].weights) for n, t in WEIGHTS.items() if n in evidence.runs]
    files.append(("3 layers, BN, best λ", evidence.best.weights))
    caption = (
        "Weights of the first layer, a picture for each unit (first seed): each scaled by its "
        "largest weight, grey is 0."
    )
    source = "plots/runs/NAME/weights.png · stage train@NAME · dvc repro train@NAME"
    return Pictures(caption, tuple(files), source)
