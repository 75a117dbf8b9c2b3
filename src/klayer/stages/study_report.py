"""Stage `report` of studies/: writes what its plots say as a page, as Markdown and as pictures."""

from __future__ import annotations

from pathlib import Path

from klayer.params import read_settings
from klayer.report.studies.questions import document
from klayer.report.studies.results import collect
from klayer.stages.report import publish


def run() -> None:
    """Writes reports/index.html, reports/report.md and reports/figures/*.png.

    Raises KlayerError when a file of another stage is missing.
    """
    publish(document(*collect(read_settings("all.studies", Path("settings")))))
