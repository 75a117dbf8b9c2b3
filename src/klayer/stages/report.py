"""Stage `report`: writes what metrics and plots say as a page, as Markdown and as pictures."""

from __future__ import annotations

from collections.abc import Iterable

from klayer.files import whole_file, write_text
from klayer.params import read_settings
from klayer.report.contents import document
from klayer.report.document import REPORTS, Block, Document, Figure
from klayer.report.drawing import pngs
from klayer.report.evidence import collect
from klayer.report.page import markdown, page


def run() -> None:
    """Writes reports/index.html, reports/report.md and reports/figures/*.png.

    Raises KlayerError when a file of another stage is missing.
    """
    publish(document(collect(read_settings("report"))))


def publish(report: Document) -> None:
    """Writes a report's page, Markdown and pictures, and prints its answers."""
    _draw(block for section in report.sections for block in section.blocks)
    write_text(REPORTS / "report.md", markdown(report))
    write_text(REPORTS / "index.html", page(report))
    print(f"{REPORTS / 'index.html'} and {REPORTS / 'report.md'} are written")
    for section in report.sections:
        print(f"\n{section.title}\n  {section.answer}")


def _draw(blocks: Iterable[Block]) -> None:
    for block in blocks:
        if isinstance(block, Figure):
            for (_, path), png in zip(block.files, pngs(block), strict=True):
                with whole_file(path) as partial:
                    partial.write_bytes(png)
