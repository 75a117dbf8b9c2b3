"""Turns figures into SVG for the page and PNG for Markdown: the same bytes for the same numbers."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Sheet
from matplotlib.lines import Line2D

from klayer.report.document import Figure, Key, Panel

# Okabe and Ito's colours, told apart by the colour-blind. On the page they are variables, which a
# dark screen lightens.
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#b3589a"
INK = "#1b1f24"
VARIABLES = {BLUE: "blue", ORANGE: "orange", GREEN: "green", PURPLE: "purple", INK: "ink"}

PANEL, WIDE = (3.9, 2.9), (8.4, 3.4)  # inches
COLUMNS = 2  # of panels in a PNG
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
HEADER = re.compile(r"^.*?(?=<svg )|<metadata>.*?</metadata>", re.DOTALL)


def svg(panel: Panel, wide: bool) -> str:
    """A panel as an SVG element that takes colours and font from its page."""
    with mpl.rc_context(STYLE | {"svg.hashsalt": panel.title}):
        sheet = Sheet(figsize=WIDE if wide else PANEL, layout="constrained")
        panel.draw(sheet.add_subplot())
        file = io.StringIO()
        sheet.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = GROUP.sub("", HEADER.sub("", file.getvalue()))
    text = re.sub(r'(<svg [^>]*?) ?height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg [^>]*?) ?width="[^"]*"', r'\1 role="img"', text, count=1)
    text = FONT.sub(r"font-size: \1px", text)
    for colour, name in VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    return text.strip()


def png(figure: Figure) -> bytes:
    """All panels of a figure with its legend, on white."""
    columns = 1 if figure.wide else min(COLUMNS, len(figure.panels))
    rows = -(-len(figure.panels) // columns)
    width, height = WIDE if figure.wide else PANEL
    with mpl.rc_context(STYLE):
        sheet = Sheet(figsize=(width * columns, height * rows + 0.35), layout="constrained")
        for i, panel in enumerate(figure.panels):
            axes = sheet.add_subplot(rows, columns, i + 1)
            panel.draw(axes)
            axes.set_title(panel.title)
        if figure.legend:
            handles = [_handle(key) for key in figure.legend]
            columns = min(4, len(handles))
            sheet.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
        file = io.BytesIO()
        sheet.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _handle(key: Key) -> Line2D:
    if key.style == "o" or key.style == "D":
        face = key.colour if key.style == "o" else "none"
        return Line2D([], [], ls="", marker=key.style, c=key.colour, mfc=face, label=key.label)
    return Line2D([], [], color=key.colour, ls=key.style, label=key.label)
