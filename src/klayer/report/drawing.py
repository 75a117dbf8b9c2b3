"""Turns figures into SVG for the page and PNG for Markdown: the same bytes for the same numbers."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from klayer.report.document import Figure, Key, Panel

# Okabe and Ito's colours, told apart by the colour-blind. On the page they are variables, which a
# dark screen lightens.
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#b3589a"
INK = "#1b1f24"
VARIABLES = {BLUE: "blue", ORANGE: "orange", GREEN: "green", PURPLE: "purple", INK: "ink"}

PANEL, WIDE = (3.9, 2.9), (8.4, 3.4)  # inches
COLUMNS = 2  # of panels in a PNG
KEYS, LETTERS = 4, 95  # of a legend in a line; with more letters in all, half as many
EDGE, TITLE, LINE = (
    0.12,
    0.25,
    0.24,
)  # inches: at the right and top, for a title, for a legend's line
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
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
    "svg.fonttype": "none",  # letters stay letters, so a reader can search and copy them
    "svg.hashsalt": "klayer",
    "figure.dpi": 72,
    "savefig.dpi": 100,
}
FONT = re.compile(r"font: ([\d.]+)px [^;\"]*")
GROUP = re.compile(r' id="[a-zA-Z]+\d*_\d+"')  # the page has many pictures, so ids would repeat
SIZE = re.compile(r'(?<=[ "])(?:width|height)="[\d.]+pt" ?')
HEADER = re.compile(r"^.*?(?=<svg )|<metadata>.*?</metadata>", re.DOTALL)


def svg(panel: Panel, wide: bool) -> str:
    """A panel as an SVG element that takes colours and font from its page."""
    width, height = WIDE if wide else PANEL
    with mpl.rc_context(STYLE | {"svg.hashsalt": panel.title}):
        sheet = Sheet(figsize=(width, height))
        panel.draw(_axes(sheet, panel, (0, 0, width, height)))
        file = io.StringIO()
        sheet.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = GROUP.sub("", HEADER.sub("", file.getvalue()))
    text = SIZE.sub("", text, count=2)
    text = FONT.sub(r"font-size: \1px", text.replace("<svg ", '<svg role="img" ', 1))
    for colour, name in VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    return text.strip()


def png(figure: Figure) -> bytes:
    """All panels of a figure with its legend, on white."""
    columns = 1 if figure.wide else min(COLUMNS, len(figure.panels))
    rows = -(-len(figure.panels) // columns)
    width, height = WIDE if figure.wide else PANEL
    height += TITLE
    letters = sum(len(key.label) for key in figure.legend)
    keys = min(KEYS if letters < LETTERS else KEYS // 2, len(figure.legend))
    under = LINE * -(-len(figure.legend) // keys) if keys else 0
    with mpl.rc_context(STYLE):
        sheet = Sheet(figsize=(width * columns, height * rows + under))
        for i, panel in enumerate(figure.panels):
            left, bottom = width * (i % columns), under + height * (rows - 1 - i // columns)
            axes = _axes(sheet, panel, (left, bottom, width, height - TITLE))
            panel.draw(axes)
            axes.set_title(panel.title)
        if keys:
            handles = [_handle(key) for key in figure.legend]
            sheet.legend(handles=handles, loc="lower center", ncols=keys, frameon=False)
        file = io.BytesIO()
        sheet.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _axes(sheet: Sheet, panel: Panel, box: tuple[float, float, float, float]) -> Axes:
    """Axes in a box (left, bottom, width, height, in inches) with room for their labels.

    Margins are given, as measuring all labels would take as long as the drawing itself.
    """
    left, bottom, width, height = box
    across, up = sheet.get_size_inches()
    return sheet.add_axes(
        (
            (left + panel.left) / across,
            (bottom + panel.bottom) / up,
            (width - panel.left - EDGE) / across,
            (height - panel.bottom - EDGE) / up,
        )
    )


def power(value: float) -> str:
    """A power of ten as a tick says it: 1e-3."""
    return f"1e{round(math.log10(value))}"


def logarithmic(axes: Axes) -> None:
    """A logarithmic y axis with ticks at powers of ten, as plain text."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=7))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))


def _handle(key: Key) -> Line2D:
    if key.style == "o" or key.style == "D":
        face = key.colour if key.style == "o" else "none"
        return Line2D([], [], ls="", marker=key.style, c=key.colour, mfc=face, label=key.label)
    return Line2D([], [], color=key.colour, ls=key.style, label=key.label)
