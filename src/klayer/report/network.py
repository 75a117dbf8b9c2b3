"""The network with the best λ: its accuracy by class, its mistakes, and weights of first layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from klayer.errors import KlayerError
from klayer.report import charts, words
from klayer.report.evidence import Evidence, Run, read_table
from klayer.report.page import Figure, Panel, asks
from klayer.report.statistics import EQUAL

SHEET = Path("plots/examples.png")  # the first test images side by side, of the stage preprocess
SHOWN = 3  # classes of an example
ACROSS = 3  # examples in a row
# Runs whose first layer is shown, besides the best λ.
WEIGHTS = ("three_layer", "three_layer_bn", "nine_layer", "nine_layer_bn")


@asks("final", "What does the final network do?")
def section(evidence: Evidence) -> dict[str, Any]:
    """Accuracy, mistakes, examples and weights."""
    run = evidence.best
    confusion = read_table(run.folder / "confusion.csv", "actual predicted count")
    names = confusion["actual"].unique()
    counts = confusion.pivot(index="actual", columns="predicted", values="count")
    counts = counts.reindex(index=names, columns=names)
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    right = pd.Series(np.diag(shares), names)
    wrong = counts.mask(np.eye(len(names), dtype=bool)).stack()
    most = max(wrong.max() - EQUAL, EQUAL)
    files = charts.source(f"plots/runs/{run.name}", [run])
    shown = [evidence.runs[name] for name in WEIGHTS if name in evidence.runs] + [run]
    pictures = charts.source("plots/runs/*/weights.png", shown)
    return {
        "blocks": [Figure("final", [_confusion(shares), _examples(run)], files)],
        "details": [Figure("weights", [_weights(run) for run in shown], pictures)],
        "accuracy": run.test_accuracy,
        "best": run.settings["l2"],
        "right": right,
        "ties": np.ptp(right) <= EQUAL,
        "mistakes": [(pair, times) for pair, times in wrong.items() if times >= most],
    }


def _confusion(shares: pd.DataFrame) -> Panel:
    """The confusion matrix: `shares` (actual classes, predicted classes)."""

    def draw(axes: Axes) -> None:
        paint = LinearSegmentedColormap.from_list("share", ["white", charts.BLUE])
        values, names = shares.to_numpy(), [str(name) for name in shares]
        axes.imshow(values, paint, aspect="auto", vmin=0, vmax=max(1.3 * values.max(), 1e-9))
        cell: Any = {"ha": "center", "va": "center", "fontsize": 7, "color": charts.INK}
        for (row, column), share in np.ndenumerate(values):
            axes.text(column, row, f"{100 * share:.0f}", **cell)
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        axes.grid(visible=False)
        axes.set_ylabel("actual class")

    return Panel("Predicted class (% of each row)", draw, left=1.0, bottom=0.95)


def _examples(run: Run) -> Panel:
    """Each image with its most probable classes, ACROSS in a row."""
    table = read_table(run.folder / "examples.csv", "image actual class probability")
    groups = list(table.groupby("image"))
    rows = -(-len(groups) // ACROSS)

    def draw(axes: Axes) -> None:
        sheet = _pixels(SHEET)
        side = len(sheet)
        for i, (_, probabilities) in enumerate(groups):
            x, y = i % ACROSS, rows - 1 - i // ACROSS
            part = sheet[:, i * side : (i + 1) * side]
            axes.imshow(part, extent=(x, x + 0.31, y + 0.2, y + 0.75), aspect="auto")
            likely = probabilities.nlargest(SHOWN, "probability").to_dict("records")
            for line, row in enumerate(likely):
                weight = "bold" if row["class"] == row["actual"] else "normal"
                text = f"{row['class']} {100 * row['probability']:.0f} %"
                place = x + 0.34, y + 0.68 - 0.2 * line
                axes.text(*place, text, va="center", fontsize=6.2, fontweight=weight)
        axes.set(xlim=(0, ACROSS), ylim=(0, rows))
        axes.axis("off")

    title = "First test images (bold: the actual class)"
    return Panel(title, draw, 0.1, bottom=0.0, width=4.8, height=0.4 + 0.7 * rows, photo=True)


def _weights(run: Run) -> Panel:
    def draw(axes: Axes) -> None:
        axes.imshow(_pixels(run.folder / "weights.png"), interpolation="nearest")
        axes.axis("off")

    title = words.label(run.settings) + (", best λ" if run.name.startswith("best_") else "")
    return Panel(title, draw, 0.1, 0.1, height=2.2, photo=True)


def _pixels(path: Path) -> np.ndarray:
    """The picture as (rows, columns, 3). Raises KlayerError when it cannot be read."""
    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except OSError as error:
        raise KlayerError(f"{path} cannot be read ({error}): run `dvc repro` again") from error
