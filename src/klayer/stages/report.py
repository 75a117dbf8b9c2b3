"""Stage `report`: writes what metrics and plots say as a page, as Markdown and as pictures."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from klayer.files import whole_file, write_text
from klayer.params import read_settings
from klayer.report.batch_norm import readme_picture
from klayer.report.contents import report
from klayer.report.document import REPORTS, Document, Figure, Panel
from klayer.report.drawing import png
from klayer.report.evidence import Evidence, Unanswered
from klayer.report.page import markdown, page


def run() -> None:
    """Writes reports/index.html, reports/report.md and reports/figures/*.png.

    Raises KlayerError when a file of another stage is missing.
    """
    evidence = Evidence(read_settings("report"))
    try:
        pictures = [readme_picture(evidence)]
    except Unanswered:
        pictures = []
    publish(report(evidence), *pictures)


def publish(document: Document, *pictures: Figure) -> None:
    """Writes a page, its Markdown and its pictures, and others whose panels stand in one file.
    Prints the short answers and the page's address.
    """
    for figure in document.figures:
        for panel, path in figure.files:
            _write(path, [panel])
    for figure in pictures:
        _write(REPORTS / "figures" / f"{figure.name}.png", figure.panels)
    write_text(REPORTS / "report.md", markdown(document))
    write_text(REPORTS / "index.html", page(document))
    width = shutil.get_terminal_size().columns
    for section in document.sections:
        certainty = f" ({section.certainty})" if section.certainty else ""
        line = f"{section.title} {section.short}{certainty}"
        print(textwrap.fill(line, width, subsequent_indent="  "))
    print((REPORTS / "index.html").absolute().as_uri())


def _write(path: Path, panels: Sequence[Panel]) -> None:
    with whole_file(path) as partial:
        partial.write_bytes(png(panels))
