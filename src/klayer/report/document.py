"""What a report is made of, before it is written as a page or as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # slow to import
    from matplotlib.axes import Axes

REPORTS = Path("reports")


@dataclass(frozen=True)
class Text:
    """A paragraph; a warning stands out."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Table:
    """The first column names the rows, the others hold numbers or words."""

    caption: str
    head: Sequence[str]
    rows: Sequence[tuple[str, ...]]
    source: str = ""  # how to get this: file · stage · command


@dataclass(frozen=True)
class Panel:
    """One chart, a picture of its own: a small screen stacks what a wide one sets side by side."""

    title: str
    draw: Callable[[Axes], None]
    left: float = 0.68  # inches for the labels of the axes
    bottom: float = 0.5
    height: float = 0.0  # inches in all; 0 for the usual height


@dataclass(frozen=True)
class Key:
    """An entry of a legend."""

    label: str
    colour: str
    style: Literal["-", "--", ":", "o", "D"] = "-"  # of a line, or a mark


@dataclass(frozen=True)
class Figure:
    """Charts that belong together, under one legend."""

    name: str
    caption: str
    panels: Sequence[Panel]
    legend: Sequence[Key] = ()
    wide: bool = False  # each panel takes the whole width of the page
    source: str = ""  # how to get this: file · stage · command

    @property
    def files(self) -> tuple[tuple[str, Path], ...]:
        """The panels' titles and PNG files."""
        start = REPORTS / "figures" / self.name
        if len(self.panels) == 1:
            return ((self.panels[0].title, Path(f"{start}.png")),)
        return tuple((p.title, Path(f"{start}_{i}.png")) for i, p in enumerate(self.panels, 1))


@dataclass(frozen=True)
class Pictures:
    """PNG files that another stage made, with their titles."""

    caption: str
    files: Sequence[tuple[str, Path]]
    source: str = ""  # how to get this: file · stage · command


@dataclass(frozen=True)
class Example:
    """A test image with the most probable classes."""

    actual: str
    probabilities: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Examples:
    """Test images, side by side in one PNG, in the order of the examples."""

    caption: str
    sheet: Path
    examples: Sequence[Example]
    source: str = ""  # how to get this: file · stage · command


Block = Text | Table | Figure | Pictures | Examples


@dataclass(frozen=True)
class Section:
    """A question, its short answer, and what the answer stands on."""

    anchor: str
    title: str
    answer: str
    blocks: Sequence[Block] = ()


@dataclass(frozen=True)
class Document:
    """The whole report."""

    title: str
    lead: Sequence[Block]
    sections: Sequence[Section]
