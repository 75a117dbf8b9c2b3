"""Draws panels as PNG: the same bytes for the same numbers, however Matplotlib is configured."""

from __future__ import annotations

import io
import math
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image

from klayer.report.document import Figure, Panel

# Okabe and Ito's colours, told apart by the colour-blind.
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#b3589a"
INK = "#1b1f24"
NAMES = {BLUE: "blue", ORANGE: "orange", GREEN: "green", PURPLE: "purple", INK: "black"}

PANEL, WIDE = (3.9, 3.1), (8.4, 3.6)  # inches
RIGHT, TOP = 0.12, 0.32  # inches: at the right, and for the title
COLOURS = 256  # of a PNG: a third of the bytes that all would take
STYLE: Any = {
    "text.parse_math": False,  # a name may have a $
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titley": 1.0,  # given, so that nothing is measured for it
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


def pngs(figure: Figure) -> list[bytes]:
    """Each panel of a figure with its title, on white, for the figure's files."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        return [_png(panel, *(WIDE if figure.wide else PANEL)) for panel in figure.panels]


def _png(panel: Panel, width: float, height: float) -> bytes:
    """Margins are given, as measuring all labels would take as long as the drawing itself."""
    height = panel.height or height
    across, up = width - panel.left - RIGHT, height - panel.bottom - TOP
    sheet = Sheet(figsize=(width, height))
    canvas = FigureCanvasAgg(sheet)
    box = (panel.left / width, panel.bottom / height, across / width, up / height)
    axes = sheet.add_axes(box)
    panel.draw(axes)
    axes.set_title(panel.title)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    few = Image.fromarray(pixels).convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
    file = io.BytesIO()
    few.save(file, format="PNG")
    return file.getvalue()


def power(value: float) -> str:
    """A power of ten as a tick says it: 1e-3."""
    return f"1e{round(math.log10(value))}"


def logarithmic(axes: Axes) -> None:
    """A logarithmic y axis with ticks at powers of ten, as plain text."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=7))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
