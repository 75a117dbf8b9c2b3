"""Writes the report: as a page that needs no other file, and as Markdown that links pictures."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from klayer.errors import KlayerError
from klayer.report.document import REPORTS, Document, Table
from klayer.report.drawing import NAMES


def page(document: Document) -> str:
    """HTML. Raises KlayerError when a picture is missing."""
    return _filled("page.html.j2", document)


def markdown(document: Document) -> str:
    """For a terminal or a code host."""
    return re.sub(r"\n{3,}", "\n\n", _filled("report.md.j2", document))


def _filled(template: str, document: Document) -> str:
    environment = Environment(
        loader=PackageLoader("klayer.report"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "kind": lambda block: type(block).__name__,
        "name": NAMES.__getitem__,
        "percent": lambda share: f"{100 * share:.0f} %",
        "embedded": _embedded,
        "linked": lambda path: Path(os.path.relpath(path, REPORTS)).as_posix(),
        "columns": _columns,
    }
    return environment.get_template(template).render(document=document).strip() + "\n"


def _embedded(path: Path) -> str:
    """A PNG as an address that holds it."""
    try:
        return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
    except OSError as error:
        raise KlayerError(f"{path} cannot be read ({error.strerror}): run `dvc repro`") from error


def _columns(table: Table) -> str:
    """A table in Markdown, with columns as wide as their widest cell, to be read as it is."""
    rows = [table.head, *table.rows]
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(table.head))]
    lines = [" | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)
