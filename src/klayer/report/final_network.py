"""The network with the best λ: its mistakes, its training, and the first layers' weights."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from klayer.report import question_schedules, words
from klayer.report.charts import training_figure
from klayer.report.comparison import differences, network
from klayer.report.document import Example, Examples, Figure, Key, Panel, Pictures, Section
from klayer.report.drawing import BLUE, GREEN, INK, ORANGE, PURPLE
from klayer.report.evidence import Evidence
from klayer.report.statistics import EQUAL, estimate

SHEET = Path("plots/examples.png")  # of the stage preprocess
SHOWN = 3  # classes of an example
COLOURS = (BLUE, GREEN, ORANGE, PURPLE)  # of the schedules
# Whose first layer is shown, beside the best λ's.
WEIGHTS = ("three_layer", "three_layer_bn", "nine_layer", "nine_layer_bn")


def section(evidence: Evidence) -> Section:
    """What it gets right and wrong, how it was trained, what the first layers look for."""
    best, accuracy = evidence.best, estimate(evidence.best.test_accuracy)
    other = differences(best.settings, evidence.searching, but=("l2",))
    trained = f"trained as in the search{f', but {other}' if other else ''}"
    answer = (
        f"With λ = {words.l2(best.settings['l2'])}, {trained}, its test accuracy is "
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
    caption = f"The test images by class, {words.over_seeds(len(evidence.best.seeds))}."
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
    images = confusion.groupby("actual")["count"].sum()
    known = (right / images)[images > 0]
    wrong = confusion[(confusion["actual"] != confusion["predicted"]) & (confusion["count"] > 0)]
    if known.max() - known.min() <= EQUAL:
        said = f"It knows all classes equally well ({100 * known.max():.0f} %)."
    else:
        best, worst = _tied(known, known.max()), _tied(known, known.min())
        said = (
            f"It knows {best} best ({100 * known.max():.0f} %) and {worst} worst "
            f"({100 * known.min():.0f} %)."
        )
    if wrong.empty:
        return f"{said} It makes no mistake."
    most = wrong[wrong["count"] >= wrong["count"].max() - EQUAL]
    times = words.times(most["count"].iloc[0])
    if len(most) > 1:
        return f"{said} Its most frequent mistakes: {len(most)} pairs of classes, {times} each."
    actual, predicted = most[["actual", "predicted"]].iloc[0]
    return f"{said} Its most frequent mistake: {actual} taken for {predicted}, {times}."


def _tied(known: pd.Series[float], share: float) -> str:
    """The classes that have this share, or how many there are."""
    names = [str(name) for name in known.index[(known - share).abs() <= EQUAL]]
    return words.several(names) if len(names) < 4 else f"{len(names)} classes"


def _examples(evidence: Evidence) -> Examples:
    examples = []
    for _, rows in evidence.examples.groupby("image"):
        top = rows.nlargest(SHOWN, "probability")
        pairs = tuple(zip(top["class"], top["probability"].astype(float), strict=True))
        examples.append(Example(str(rows["actual"].iloc[0]), pairs))
    seeds = words.over_seeds(len(evidence.best.seeds))
    caption = f"The first test images, with the probabilities ({seeds})."
    return Examples(caption, SHEET, examples, _source(evidence, "examples"))


def _training(evidence: Evidence) -> Figure:
    """The longest schedule is drawn first, so that the others can be seen on it."""
    lines = [
        (Key(question_schedules.title(evidence.runs[name]), colour), evidence.runs[name])
        for name, colour in zip(evidence.schedules, itertools.cycle(COLOURS))
    ]
    lines.sort(key=lambda line: -line[1].curves["step"].iloc[-1])
    return training_figure("train_best", "The best λ, trained by each schedule.", lines)


def _weights(evidence: Evidence) -> Pictures:
    runs = [evidence.runs[name] for name in WEIGHTS if name in evidence.runs]
    files = [(network(run.settings), run.weights) for run in runs]
    files.append((f"{network(evidence.best.settings)}, best λ", evidence.best.weights))
    caption = (
        "Weights of the first layer, a picture for each unit (first seed): each scaled by its "
        "largest weight, grey is 0."
    )
    source = "plots/runs/NAME/weights.png · stage train@NAME · dvc repro train@NAME"
    return Pictures(caption, files, source)
