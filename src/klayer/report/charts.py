"""Charts that several questions draw: of training over the steps, of the layers, of seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from klayer.report.document import Panel
from klayer.report.drawing import BLUE, INK, ORANGE, WIDE, logarithmic
from klayer.report.evidence import Pair, Run
from klayer.report.statistics import estimate

MEASURES = {"accuracy": "accuracy (%)", "loss": "loss (nats)"}
LARGEST_LOSS = 4.0  # nats; what is above is cut off, chance level is at 2.3
SMALLEST = 1e-12  # what is smaller is drawn here, over the layers
QUANTITIES = {
    "score_std": "standard deviation of the scores",
    "gradient_norm": "norm of the gradient of W",
}


class Line(NamedTuple):
    """A run in a chart."""

    label: str
    colour: str
    run: Run
    style: str = "-"


class Row(NamedTuple):
    """Differences by seed in points, in a chart of seeds."""

    label: str
    points: pd.Series[float]
    colour: str


def lines_of(pair: Pair) -> list[Line]:
    return [Line("without BN", ORANGE, pair[0]), Line("with BN", BLUE, pair[1])]


def source(files: str, runs: Iterable[Run]) -> str:
    """How to get a picture: its files, and the command that makes them."""
    return f"{files} · dvc repro {' '.join(run.stage for run in runs)}"


def training_panel(lines: Sequence[Line], measure: str, title: str = "") -> Panel:
    """Accuracy or loss over the steps: on validation images with a band of one standard deviation
    over seeds, on training images dotted.
    """
    return Panel(title or measure.capitalize(), partial(_draw_measure, lines, measure))


def _draw_measure(lines: Sequence[Line], measure: str, axes: Axes) -> None:
    for line in lines:
        curves = line.run.curves.set_index("step") * (100 if measure == "accuracy" else 1)
        mean, std = curves[f"validation_{measure}"], curves[f"validation_{measure}_std"]
        mark = "o" if len(curves) == 1 else ""
        axes.fill_between(mean.index, mean - std, mean + std, color=line.colour, alpha=0.2, lw=0)
        axes.plot(mean, line.style, color=line.colour, marker=mark, label=line.label)
        axes.plot(curves[f"train_{measure}"], ":", color=line.colour, marker=mark, lw=1.2)
    axes.plot([], [], ":", lw=1.2, color=INK, label="on training images")
    axes.set_xlabel("step")
    axes.set_ylabel(MEASURES[measure])
    if measure == "accuracy":
        axes.set_ylim(bottom=0)
    elif axes.get_ylim()[1] > LARGEST_LOSS:
        axes.set_ylim(top=LARGEST_LOSS)


def learning_rate_panels(lines: Sequence[Line]) -> list[Panel]:
    """The learning rate at the points of the curves, where the runs differ in it."""
    rates = [line.run.curves[["step", "learning_rate"]] for line in lines]
    differ = any(not table.equals(rates[0]) for table in rates)
    return [Panel("Learning rate", partial(_draw_learning_rate, lines))] if differ else []


def _draw_learning_rate(lines: Sequence[Line], axes: Axes) -> None:
    for line in lines:
        rates = line.run.curves.set_index("step")["learning_rate"]
        axes.plot(rates, line.style, color=line.colour, marker="o", ms=3, label=line.label)
    axes.set_xlabel("step")
    axes.set_ylabel("learning rate")


def layers_panel(lines: Sequence[Line], quantity: str, title: str) -> Panel:
    """A quantity over the layers, at the first step of training."""
    return Panel(title, partial(_draw_layers, lines, quantity))


def _draw_layers(lines: Sequence[Line], quantity: str, axes: Axes) -> None:
    for line in lines:
        values = line.run.at_start(quantity).clip(lower=SMALLEST)
        axes.plot(values, line.style, color=line.colour, marker="o", ms=3.5, label=line.label)
    logarithmic(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("layer (the last one gives the classes)")
    axes.set_ylabel(QUANTITIES[quantity])


def seeds_panel(title: str, rows: Sequence[Row], xlabel: str) -> Panel:
    """A row for each label: each seed a dot; below, the mean with its 95 % interval (thick) and
    where one more run would lie (thin).
    """
    draw = partial(_draw_seeds, rows, xlabel)
    left = 0.2 + 0.064 * max(len(row.label) for row in rows)
    return Panel(title, draw, left=left, width=WIDE, height=1.35 + 0.3 * len(rows))


def _draw_seeds(rows: Sequence[Row], xlabel: str, axes: Axes) -> None:
    axes.axvline(0, color=INK, lw=1, alpha=0.6, zorder=1.8)
    for place, row in enumerate(rows):
        mean, below = estimate(row.points), [place + 0.22] * 2
        axes.plot(row.points, [place] * len(row.points), "o", color=row.colour, ms=3.5, alpha=0.45)
        if mean.interval and mean.prediction:
            axes.plot(mean.prediction, below, color=row.colour, lw=0.8)
            axes.plot(mean.interval, below, color=row.colour, lw=3, solid_capstyle="butt")
        axes.plot(mean.mean, below[0], "|", color=row.colour, ms=10, mew=2)
    axes.plot([], [], "o", color=INK, ms=3.5, alpha=0.45, label="a seed")
    axes.plot([], [], lw=3, color=INK, label="mean, 95 % interval")
    axes.plot([], [], lw=0.8, color=INK, label="one more run (95 %)")
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(xlabel)
