"""Draws panels as PNG: the same numbers give the same bytes, however Matplotlib is configured. Also
the panels that several questions share: training over the steps, layers, seeds. The style is in
charts.mplstyle.

A colour means the same in every chart: blue is with BN, orange without, green without BN but with
He initialisation, black what was reported. `OTHERS` are for what a legend names.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import style, ticker
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from klayer.report.evidence import Pair, Run
from klayer.report.page import Panel
from klayer.report.statistics import estimate

# Most are Okabe and Ito's, which the colour-blind can tell apart.
BLUE, ORANGE, GREEN, INK = "#0072b2", "#d55e00", "#009e73", "#1b1f24"
OTHERS = ("#b3589a", "#b8860b", "#56a0d3", "#7a7f85", "#6a51a3", "#8c6d46")
WIDE = 4.4  # inches of a panel by itself: on a phone letters of 9 points can still be read
COLOURS = 256  # of a PNG: a third of the bytes that all would take
RIGHT, TITLE, ROW = 0.12, 0.3, 0.165  # inches: at the right, of the title, of a row of a legend
KEY, LETTER = 0.45, 0.058  # inches in a legend: a line with its spaces, a letter
MEASURES = {"accuracy": "accuracy (%)", "loss": "cross-entropy loss"}
LARGEST_LOSS = 4.0  # nats; larger losses are cut off, chance level is at 2.3
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


def png(panel: Panel) -> bytes:
    """The panel with its title and legend, on white."""
    with style.context("klayer.report.charts", after_reset=True):
        sheet = Figure(figsize=(panel.width, panel.height))
        canvas = FigureCanvasAgg(sheet)
        _draw(sheet, panel)
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    picture = Image.fromarray(pixels).convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def _draw(sheet: Figure, panel: Panel) -> None:
    """The margins are given: measuring all labels would take as long as the drawing."""
    axes = sheet.add_axes((0, 0, 1, 1))
    panel.draw(axes)
    handles, labels = axes.get_legend_handles_labels()
    across = panel.width - panel.left - RIGHT
    columns = _columns(labels, across)
    rows = math.ceil(len(labels) / columns)
    up = panel.height - panel.bottom - TITLE - ROW * rows
    left, bottom = panel.left / panel.width, panel.bottom / panel.height
    axes.set_position((left, bottom, across / panel.width, up / panel.height))
    title: Any = {"va": "top", "fontsize": 10, "fontweight": "bold"}
    sheet.text(left, 1 - 0.07 / panel.height, panel.title, **title)
    if labels:
        corner: Any = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.3}
        axes.legend(handles, labels, ncols=columns, **corner)


def _columns(labels: Sequence[str], across: float) -> int:
    """The largest number of columns of a legend that fit into `across` inches."""
    for columns in range(len(labels), 1, -1):
        longest = [max(map(len, part)) for part in np.array_split(labels, columns)]
        if sum(KEY + LETTER * length for length in longest) <= across:
            return columns
    return 1


def power(value: float) -> str:
    """A power of ten, as a tick shows it: 1e-3."""
    return f"1e{round(math.log10(value))}"


def at_values(axes: Axes, labels: Mapping[float, str]) -> None:
    """A logarithmic x axis with a tick at each of the values."""
    axes.set_xscale("log")
    axes.set_xticks(list(labels), list(labels.values()))
    axes.xaxis.set_minor_locator(ticker.NullLocator())


def over_layers(axes: Axes, xlabel: str, ylabel: str) -> None:
    """A tick at each layer; a logarithmic y axis with ticks at powers of ten, as plain text."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(ticker.LogLocator(numticks=7))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: power(value)))
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.set(xlabel=xlabel, ylabel=ylabel)


def lines_of(pair: Pair) -> list[Line]:
    return [Line("without BN", ORANGE, pair[0]), Line("with BN", BLUE, pair[1])]


def coloured_lines(runs: Mapping[str, Run]) -> list[Line]:
    """A line for each run, by its label, in different colours."""
    return [Line(name, OTHERS[i % len(OTHERS)], runs[name]) for i, name in enumerate(runs)]


def source(files: str, runs: Iterable[Run]) -> str:
    """How to get a figure: the files behind it, and the command that makes them."""
    return f"{files} · dvc repro {' '.join(run.stage for run in runs)}"


def training_panel(lines: Sequence[Line], measure: str) -> Panel:
    """Accuracy or loss over the steps. Lines are of validation images, with a band of one standard
    deviation over the seeds; dotted lines are of training images.
    """

    def draw(axes: Axes) -> None:
        for line in lines:
            curves = line.run.curves.set_index("step") * (100 if measure == "accuracy" else 1)
            mean, std = curves[f"validation_{measure}"], curves[f"validation_{measure}_std"]
            look: Any = {"color": line.colour, "marker": "o" if len(curves) == 1 else ""}
            axes.fill_between(
                mean.index, mean - std, mean + std, color=line.colour, alpha=0.2, lw=0
            )
            axes.plot(mean, line.style, label=line.label, **look)
            axes.plot(curves[f"train_{measure}"], ":", lw=1.2, **look)
        axes.plot([], [], ":", lw=1.2, color=INK, label="on training images")
        axes.set(xlabel="step", ylabel=MEASURES[measure])
        if measure == "accuracy":
            axes.set_ylim(bottom=0)
        elif axes.get_ylim()[1] > LARGEST_LOSS:
            axes.set_ylim(top=LARGEST_LOSS)

    return Panel(measure.capitalize(), draw)


def learning_rate_panels(lines: Sequence[Line]) -> list[Panel]:
    """A panel with the learning rates of the runs; none when they are equal."""
    rates = [line.run.curves[["step", "learning_rate"]] for line in lines]

    def draw(axes: Axes) -> None:
        for line, table in zip(lines, rates, strict=True):
            look: Any = {"color": line.colour, "marker": "o", "ms": 3, "label": line.label}
            axes.plot(table.set_index("step")["learning_rate"], line.style, **look)
        axes.set(xlabel="step", ylabel="learning rate")

    differ = any(not table.equals(rates[0]) for table in rates)
    return [Panel("Learning rate", draw)] if differ else []


def layers_panel(lines: Sequence[Line], quantity: str, title: str) -> Panel:
    """A quantity over the layers, at the first step of training."""

    def draw(axes: Axes) -> None:
        for line in lines:
            values = line.run.at_start(quantity)
            axes.plot(values, line.style, color=line.colour, marker="o", ms=3.5, label=line.label)
        over_layers(axes, "layer (the last one gives the classes)", QUANTITIES[quantity])

    return Panel(title, draw)


def seeds_panel(title: str, rows: Sequence[Row], xlabel: str) -> Panel:
    """For each row a dot for each seed; below, the mean with its 95 % interval (thick line) and the
    prediction of one more run (thin line).
    """

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=INK, lw=1, alpha=0.6, zorder=1.8)
        dot: Any = {"ls": "", "marker": "o", "ms": 3.5, "alpha": 0.45}
        for place, row in enumerate(rows):
            mean, below = estimate(row.points), [place + 0.22] * 2
            axes.plot(row.points, [place] * len(row.points), color=row.colour, **dot)
            if mean.interval and mean.prediction:
                axes.plot(mean.prediction, below, color=row.colour, lw=0.8)
                axes.plot(mean.interval, below, color=row.colour, lw=3, solid_capstyle="butt")
            axes.plot(mean.mean, below[0], "|", color=row.colour, ms=10, mew=2)
        axes.plot([], [], color=INK, label="a seed", **dot)
        axes.plot([], [], lw=3, color=INK, label="mean, 95 % interval")
        axes.plot([], [], lw=0.8, color=INK, label="one more run (95 %)")
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(xlabel)

    left = 0.2 + 0.064 * max(len(row.label) for row in rows)
    return Panel(title, draw, left=left, width=WIDE, height=1.35 + 0.3 * len(rows))
