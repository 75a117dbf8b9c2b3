"""What a page is made of, before it is written as HTML or as Markdown.

A page is a `Document`: a lead, a contents list, and a `Section` for each question. A section shows
its answer and its first blocks; its details are folded. Blocks are tables and figures, and the
sentences come from a template (see page.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # slow to import
    from matplotlib.axes import Axes

REPORTS = Path("reports")


@dataclass(frozen=True)
class Table:
    """The first column names the rows, the others hold numbers or words."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    source: str = ""  # how to get this: files · command


@dataclass(frozen=True)
class Panel:
    """A chart, a PNG of its own: a small screen stacks what a wide one sets side by side.

    Lines that `draw` gives a label become the legend, inside the picture. Sizes are in inches.
    """

    title: str
    draw: Callable[[Axes], None]
    left: float = 0.68  # for the labels of the axes
    bottom: float = 0.5
    width: float = 3.9
    height: float = 3.1
    photo: bool = False  # whose colours a dark screen leaves as they are


@dataclass(frozen=True)
class Figure:
    """Charts that belong together."""

    name: str
    caption: str
    panels: Sequence[Panel]
    source: str = ""  # how to get this: files · command

    @property
    def files(self) -> list[tuple[Panel, Path]]:
        """The panels with their PNG files."""
        names = [f"{self.name}_{i}" for i in range(1, len(self.panels) + 1)]
        names = names if len(self.panels) > 1 else [self.name]
        paths = [REPORTS / "figures" / f"{name}.png" for name in names]
        return list(zip(self.panels, paths, strict=True))


Block = Table | Figure


@dataclass(frozen=True)
class Section:
    """A question and its answer: one bold sentence, the numbers, then how it is known."""

    anchor: str
    title: str
    short: str  # the answer in a few words, for the contents list
    certainty: str  # clear, uncertain, too few seeds, ...; empty where nothing is judged
    answer: str  # one sentence
    numbers: str = ""  # what goes on from it
    blocks: Sequence[Block] = ()
    how: Sequence[str] = ()  # paragraphs, folded
    details: Sequence[Block] = ()  # folded


@dataclass(frozen=True)
class Document:
    """A whole page."""

    title: str
    lead: Sequence[str]  # paragraphs
    sections: Sequence[Section]
    glossary: Sequence[Sequence[str]] = ()  # words and what they mean
    warning: str = ""

    @property
    def figures(self) -> list[Figure]:
        """In all sections."""
        blocks = [block for s in self.sections for block in (*s.blocks, *s.details)]
        return [block for block in blocks if isinstance(block, Figure)]
