"""The network with the best λ: what it gets right and wrong, and the first layers' weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from klayer.errors import KlayerError
from klayer.report.charts import source
from klayer.report.comparison import label
from klayer.report.document import Figure, Panel, Section
from klayer.report.drawing import BLUE, INK
from klayer.report.evidence import Evidence, read_table
from klayer.report.page import question
from klayer.report.statistics import EQUAL

SHEET = Path("plots/examples.png")  # the first test images side by side, of the stage preprocess
SHOWN = 3  # classes of an example
ACROSS = 3  # examples in a row
# Whose first layer is shown, beside the best λ's.
WEIGHTS = ("three_layer", "three_layer_bn", "nine_layer", "nine_layer_bn")


def section(evidence: Evidence) -> Section:
    """Accuracy, mistakes, examples and weights."""
    run = evidence.best
    folder = run.weights.parent
    counted = read_table(folder / "confusion.csv", "actual predicted count")
    shown = read_table(folder / "examples.csv", "image actual class probability")
    names = counted["actual"].unique()
    counts = counted.pivot(index="actual", columns="predicted", values="count")
    counts = counts.reindex(index=names, columns=names)
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    right = pd.Series(np.diag(shares), names)
    wrong = counts.mask(np.eye(len(names), dtype=bool)).stack()
    most = max(np.nanmax(wrong.to_numpy(), initial=0.0) - EQUAL, EQUAL)
    confusion = Panel(
        "Predicted class (% of each row)", partial(_draw_confusion, shares), left=1.0, bottom=0.95
    )
    examples = Panel(
        "First test images (bold: the actual class)",
        partial(_draw_examples, shown),
        left=0.1,
        bottom=0.0,
        width=4.2,
        height=0.4 + 0.7 * -(-shown["image"].nunique() // ACROSS),
        photo=True,
    )
    caption = "Test images by class, and probabilities of the most probable classes"
    over = "mean over seeds" if len(run.seeds) > 1 else "one seed"
    how_to_get = source(f"plots/runs/{run.name}", [run])
    figure = Figure("final", f"{caption}, {over}.", [confusion, examples], how_to_get)
    return question(
        "final",
        "What does the final network do?",
        blocks=[figure],
        details=[_weights(evidence)],
        accuracy=run.test_accuracy,
        best=run.settings["l2"],
        right=right,
        ties=bool(np.ptp(right) <= EQUAL),
        mistakes=[(pair, times) for pair, times in wrong.items() if times >= most],
    )


def _draw_confusion(shares: pd.DataFrame, axes: Axes) -> None:
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


def _draw_examples(table: pd.DataFrame, axes: Axes) -> None:
    """Each image with its most probable classes, ACROSS in a row."""
    sheet, groups = _pixels(SHEET), list(table.groupby("image"))
    side, rows = sheet.shape[0], -(-len(groups) // ACROSS)
    for i, (_, probabilities) in enumerate(groups):
        x, y = i % ACROSS, rows - 1 - i // ACROSS
        part = sheet[:, i * side : (i + 1) * side]
        axes.imshow(part, extent=(x, x + 0.31, y + 0.2, y + 0.75), aspect="auto")
        likely = probabilities.nlargest(SHOWN, "probability").to_dict("records")
        for line, row in enumerate(likely):
            weight = "bold" if row["class"] == row["actual"] else "normal"
            text = f"{row['class']} {100 * row['probability']:.0f} %"
            place = x + 0.34, y + 0.68 - 0.2 * line
            axes.text(*place, text, va="center", fontsize=6.5, fontweight=weight)
    axes.set_xlim(0, ACROSS)
    axes.set_ylim(0, rows)
    axes.axis("off")


def _weights(evidence: Evidence) -> Figure:
    runs = [evidence.runs[name] for name in WEIGHTS if name in evidence.runs]
    runs.append(evidence.best)
    panels = [
        Panel(
            label(run.settings),
            partial(_draw_picture, run.weights),
            0.1,
            0.1,
            height=2.2,
            photo=True,
        )
        for run in runs
    ]
    caption = (
        "Weights of the first layer, a picture for each unit (first seed), each scaled by its "
        "largest weight; grey is 0."
    )
    return Figure("weights", caption, panels, source("plots/runs/*/weights.png", runs))


def _draw_picture(path: Path, axes: Axes) -> None:
    axes.imshow(_pixels(path), interpolation="nearest")
    axes.axis("off")


def _pixels(path: Path) -> np.ndarray:
    """Raises KlayerError when the picture cannot be read."""
    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except OSError as error:
        raise KlayerError(f"{path} cannot be read ({error}): run `dvc repro`") from error
