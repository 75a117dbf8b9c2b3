"""Stage `report`, also that of studies/: writes a page, as HTML, as Markdown and as pictures."""

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
from klayer.report.study_questions import page_of_studies


def run() -> None:
    """Writes what metrics/ and plots/ say to reports/, see `publish`.

    Raises KlayerError when a file of another stage is missing.
    """
    evidence = Evidence(read_settings("report"))
    try:
        pictures = [readme_picture(evidence)]
    except Unanswered:
        pictures = []
    publish(report(evidence), *pictures)


def run_studies() -> None:
    """The same for the studies, in their folder."""
    publish(page_of_studies(read_settings("all.studies", Path("settings"))))


def publish(document: Document, *pictures: Figure) -> None:
    """Writes a page to reports/index.html, its Markdown to report.md and its pictures to figures/,
    besides others whose panels stand in one file. Prints the short answers and the page's address.
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
