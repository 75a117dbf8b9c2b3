"""The network with the best λ: its mistakes, its training, and the first layers' weights."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from klayer.report import words
from klayer.report.charts import training_figure
from klayer.report.document import Example, Examples, Figure, Key, Panel, Pictures, Section
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
    blocks = (_confusion(evidence), _examples(evidence), _training(evidence), _weights(evidence))
    return Section("final", "What does the final network do?", answer, blocks)


def _source(evidence: Evidence, table: str) -> str:
    """Of a table of the best λ's run."""
    name = evidence.best.name
    stage = f"train_best@{name.removeprefix('best_')}"
    return f"plots/runs/{name}/{table}.csv · stage {stage} · dvc repro {stage}"


def _confusion(evidence: Evidence) -> Figure:
    table = evidence.confusion
    names = table["actual"].unique()
    counts = table.pivot(index="actual", columns="predicted", values="count")
    counts = counts.reindex(index=names, columns=names)
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    draw = partial(_draw, shares=shares)
    panel = Panel("Predicted class (% of each row)", draw, left=1.1, bottom=0.95)
    caption = "The test images by class, mean over seeds."
    return Figure("confusion", caption, (panel,), source=_source(evidence, "confusion"))


def _draw(axes: Axes, shares: pd.DataFrame) -> None:
    """shares (actual classes, predicted classes)."""
    paint = LinearSegmentedColormap.from_list("share", ["white", BLUE])
    values, names = shares.to_numpy(), [str(name) for name in shares]
    axes.imshow(values, paint, aspect="auto", vmin=0, vmax=max(1.3 * values.max(), 1e-9))
    for (row, column), share in np.ndenumerate(values):
        text = f"{100 * share:.0f}"
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
    worst = wrong.iloc[wrong["count"].argmax()]
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
    return Examples(caption, SHEET, examples, _source(evidence, "examples"))


def _training(evidence: Evidence) -> Figure:
    """The longest schedule is drawn first, so that the others can be seen on it."""
    lines = [
        (Key(name.removeprefix("best_").replace("_", " "), colour), evidence.runs[name])
        for name, colour in zip(evidence.schedules, itertools.cycle(COLOURS))
    ]
    lines.sort(key=lambda line: -line[1].curves["step"].iloc[-1])
    return training_figure("train_best", "The best λ, trained by each schedule.", lines)


def _weights(evidence: Evidence) -> Pictures:
    files = [(t, evidence.runs[n].weights) for n, t in WEIGHTS.items() if n in evidence.runs]
    files.append(("3 layers, BN, best λ", evidence.best.weights))
    caption = (
        "Weights of the first layer, a picture for each unit (first seed): each scaled by its "
        "largest weight, grey is 0."
    )
    source = "plots/runs/NAME/weights.png · stage train@NAME · dvc repro train@NAME"
    return Pictures(caption, files, source)
