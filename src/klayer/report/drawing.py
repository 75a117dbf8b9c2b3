"""Draws panels as PNG: the same bytes for the same numbers, however Matplotlib is configured.

A colour means the same in every chart: blue is with BN, orange without, green without BN but with
He initialisation, black what was reported. `OTHERS` are for what a legend names.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image

from klayer.report.document import Panel

# Most are Okabe and Ito's, which the colour-blind can tell apart.
BLUE, ORANGE, GREEN, INK = "#0072b2", "#d55e00", "#009e73", "#1b1f24"
OTHERS = ("#b3589a", "#b8860b", "#56a0d3", "#7a7f85", "#6a51a3", "#8c6d46")
WIDE = 4.4  # inches of a panel by itself: on a phone letters of 9 points can still be read
COLOURS = 256  # of a PNG: a third of the bytes that all would take
RIGHT, TITLE, ROW = 0.12, 0.3, 0.165  # inches: at the right, of the title, of a row of a legend
KEY, LETTER = 0.45, 0.058  # inches in a legend: a line with its spaces, a letter
STYLE: Any = {
    "text.parse_math": False,  # a name may have a $
    "font.size": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.borderpad": 0.0,
    "legend.handlelength": 1.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.12,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.6,
    "figure.dpi": 160,  # sharp on a dense screen and on paper
}


def png(panels: Sequence[Panel]) -> bytes:
    """The panels side by side, each with its title and legend, on white."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        size = sum(panel.width for panel in panels), max(panel.height for panel in panels)
        sheet, left = Sheet(figsize=size), 0.0
        canvas = FigureCanvasAgg(sheet)
        for panel in panels:
            _draw(sheet, panel, left, *size)
            left += panel.width
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    few = Image.fromarray(pixels).convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
    file = io.BytesIO()
    few.save(file, format="PNG")
    return file.getvalue()


def _draw(sheet: Sheet, panel: Panel, left: float, width: float, height: float) -> None:
    """Margins are given, as measuring all labels would take as long as the drawing itself."""
    axes = sheet.add_axes((0, 0, 1, 1))
    panel.draw(axes)
    across = panel.width - panel.left - RIGHT
    handles, labels = axes.get_legend_handles_labels()
    columns = _columns(labels, across)
    rows = math.ceil(len(labels) / columns)
    up = height - panel.bottom - TITLE - ROW * rows
    box = (left + panel.left) / width, panel.bottom / height, across / width, up / height
    axes.set_position(box)
    sheet.text(box[0], 1 - 0.07 / height, panel.title, va="top", fontsize=10, fontweight="bold")
    if labels:
        corner: Any = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.3}
        axes.legend(handles, labels, ncols=columns, **corner)


def _columns(labels: Sequence[str], across: float) -> int:
    """In how many columns a legend has room."""
    for columns in range(len(labels), 1, -1):
        longest = [max(map(len, part)) for part in np.array_split(labels, columns)]
        if sum(KEY + LETTER * length for length in longest) <= across:
            return columns
    return 1


def power(value: float) -> str:
    """A power of ten as a tick says it: 1e-3."""
    return f"1e{round(math.log10(value))}"


def logarithmic(axes: Axes) -> None:
    """A logarithmic y axis with ticks at powers of ten, as plain text."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=7))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))


def at_values(axes: Axes, labels: Mapping[float, str]) -> None:
    """A logarithmic x axis with a tick at each of the values."""
    axes.set_xscale("log")
    axes.set_xticks(list(labels), list(labels.values()))
    axes.xaxis.set_minor_locator(NullLocator())
