"""Writes a page from templates: its sentences, then the whole as HTML and as Markdown.

templates/questions/NAME.j2 has the sentences of a question in blocks: `answer`, one sentence, whose
part up to a colon or semicolon stands in the contents list as well; `numbers`, which goes on from
it; `how`, paragraphs that are folded. They are filled with what the question has computed; the
functions of words.py are filters there.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from klayer.errors import KlayerError
from klayer.report import words
from klayer.report.document import REPORTS, Block, Document, Figure, Section, Table
from klayer.report.evidence import Evidence, Unanswered
from klayer.report.verdicts import Verdict

Ask = Callable[[Evidence], Section]


def question(
    name: str,
    title: str,
    verdict: Verdict | None = None,
    blocks: Sequence[Block] = (),
    details: Sequence[Block] = (),
    template: str = "",
    **facts: Any,
) -> Section:
    """The section of a question: the sentences of its template, filled with facts.

    The template is that of the question's name where no other one is given. Where the verdict has
    too few seeds, or is none, the answer says so instead of the template.
    """
    template = f"questions/{template or name}.j2"
    facts |= {"verdict": verdict}
    how = _paragraphs(sentence(template, "how", facts))
    if verdict is not None:
        how.insert(0, words.agreement(verdict))
    answer = (verdict and words.undecided(verdict)) or _line(sentence(template, "answer", facts))
    numbers = _line(sentence(template, "numbers", facts))
    short = re.split("[:;]", answer)[0]
    certainty = verdict.certainty if verdict else ""
    return Section(name, title, short, certainty, answer, numbers, blocks, how, details)


def asks(name: str, title: str) -> Callable[[Ask], Ask]:
    """Names a question. Where its runs are missing or are not what it asks, it is one line."""

    def decorated(ask: Ask) -> Ask:
        @wraps(ask)
        def section(evidence: Evidence) -> Section:
            try:
                return ask(evidence)
            except Unanswered as why:
                return Section(name, title, "Not answered", "", f"Not answered: {why}.")

        return section

    return decorated


def attempt(verdict: Callable[..., Verdict], *arguments: Any) -> Verdict | None:
    """A verdict, or None where its question is not answered."""
    try:
        return verdict(*arguments)
    except Unanswered:
        return None


def assemble(name: str, sections: Sequence[Section], **facts: Any) -> Document:
    """A page with the title, the warning, the lead and the glossary of templates/NAME.j2."""
    title, warning, lead, glossary = (
        sentence(f"{name}.j2", block, facts) for block in ("title", "warning", "lead", "glossary")
    )
    entries = [line.split(" | ", 1) for line in _paragraphs(glossary)]
    return Document(_line(title), _paragraphs(lead), sections, entries, _line(warning))


def sentence(template: str, block: str, facts: Mapping[str, Any]) -> str:
    """A block of a template, filled with facts; empty where the template does not have it."""
    whole = _environment().get_template(template)
    filled = whole.blocks.get(block)
    return "".join(filled(whole.new_context(dict(facts)))) if filled else ""


def _line(text: str) -> str:
    return " ".join(text.split())


def _paragraphs(text: str) -> list[str]:
    return [_line(part) for part in re.split(r"\n\s*\n", text) if part.strip()]


def page(document: Document) -> str:
    """HTML that needs no other file. Raises KlayerError when a picture is missing."""
    return _environment().get_template("page.html.j2").render(document=document).strip() + "\n"


def markdown(document: Document) -> str:
    """For a terminal or a code host."""
    text = _environment().get_template("report.md.j2").render(document=document)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("klayer.report"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: function for name, function in vars(words).items() if callable(function)
    }  # of words.py
    environment.filters |= {
        "unbroken": lambda text: re.sub(r" (?=[%=±])|(?<=[=±]) ", "\N{NO-BREAK SPACE}", text),
        "is_figure": lambda block: isinstance(block, Figure),
        "embedded": _embedded,
        "linked": lambda path: Path(os.path.relpath(path, REPORTS)).as_posix(),
        "columns": _columns,
    }
    return environment


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
