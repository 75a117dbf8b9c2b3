"""Stage `report`, also that of studies/: writes a page, as HTML, as Markdown and as pictures."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

from klayer.files import whole_file, write_text
from klayer.params import read_settings
from klayer.report.charts import png
from klayer.report.contents import report
from klayer.report.evidence import Evidence
from klayer.report.page import REPORTS, Document, Figure, markdown, page
from klayer.report.study_questions import page_of_studies


def run() -> None:
    """Writes the report: reports/index.html, report.md and figures/*.png.

    Raises KlayerError when a file of another stage is missing or damaged.
    """
    publish(report(Evidence(read_settings("report"))))


def run_studies() -> None:
    """Writes the page of the studies, in studies/."""
    publish(page_of_studies(read_settings("all.studies", Path("settings"))))


def publish(document: Document) -> None:
    """Writes a page as HTML, Markdown and pictures. Prints the short answers and its address."""
    width = shutil.get_terminal_size().columns
    for section in document.sections:
        for block in (*section.blocks, *section.details):
            if isinstance(block, Figure):
                _draw(block)
        certainty = f" ({section.certainty})" if section.certainty else ""
        line = f"{section.title} {section.short}{certainty}"
        print(textwrap.fill(line, width, subsequent_indent="  "))
    write_text(REPORTS / "report.md", markdown(document))
    write_text(REPORTS / "index.html", page(document))
    print((REPORTS / "index.html").absolute().as_uri())


def _draw(figure: Figure) -> None:
    for panel, path in figure.files:
        with whole_file(path) as partial:
            partial.write_bytes(png(panel))
