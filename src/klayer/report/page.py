"""A page: its parts, and how it is written as HTML and as Markdown.

A page is a `Document`: a lead, a contents list, and a `Section` for each question. A section shows
its answer and its first blocks, which are tables and figures; its details are folded.

templates/questions/NAME.j2 has the sentences of a question in blocks:

- `answer`, one sentence; its part up to a colon or semicolon is also in the contents list
- `numbers`, which continue the answer
- `how`, paragraphs that are folded
- a block for each figure, by its name: the caption

The facts that the question has computed fill the blocks; the functions of words.py are filters.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from klayer.report import words
from klayer.report.evidence import Evidence, Unanswered
from klayer.report.statistics import Verdict

if TYPE_CHECKING:  # slow to import
    from matplotlib.axes import Axes

REPORTS = Path("reports")


@dataclass(frozen=True)
class Table:
    """A table, whose first column names the rows."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    source: str = ""  # how to get this: files · command


@dataclass(frozen=True)
class Panel:
    """A chart, in a separate PNG: a wide screen shows charts side by side, a small one stacks them.

    Lines that `draw` gives a label become the legend, inside the picture. Sizes are in inches.
    """

    title: str
    draw: Callable[[Axes], None]
    left: float = 0.68  # for the labels of the axes
    bottom: float = 0.5
    width: float = 3.9
    height: float = 3.1
    photo: bool = False  # the colours stay as they are on a dark screen


@dataclass(frozen=True)
class Figure:
    """Charts that belong together."""

    name: str
    panels: Sequence[Panel]
    source: str = ""  # how to get this: files · command
    caption: str = ""  # where none is given, that of the question's template

    @property
    def files(self) -> list[tuple[Panel, Path]]:
        """The panels with their PNG files."""
        several = len(self.panels) > 1
        names = [f"{self.name}_{i}" if several else self.name for i, _ in enumerate(self.panels, 1)]
        paths = [REPORTS / "figures" / f"{name}.png" for name in names]
        return list(zip(self.panels, paths, strict=True))


Block = Table | Figure
Ask = Callable[[Evidence], dict[str, Any]]


@dataclass(frozen=True)
class Section:
    """A question and its answer: one bold sentence, the numbers, then how it is known."""

    anchor: str
    title: str
    short: str  # the answer in a few words, for the contents list
    certainty: str  # clear, uncertain, too few seeds, ...; empty where nothing is judged
    answer: str  # one sentence
    numbers: str = ""  # continues the answer
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


def asks(name: str, title: str) -> Callable[[Ask], Callable[[Evidence], Section]]:
    """Turns a function that returns the arguments of `question` into one that returns the section.

    The arguments may include another title. When the function raises Unanswered, the section is one
    line.
    """

    def decorated(ask: Ask) -> Callable[[Evidence], Section]:
        @wraps(ask)
        def section(evidence: Evidence) -> Section:
            try:
                return question(name, **{"title": title, **ask(evidence)})
            except Unanswered as why:
                answer = f"Not answered: {why}"
                return Section(name, title, answer, "", f"{answer}.")

        return section

    return decorated


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

    The template has the name of the question unless another one is given. When the verdict has too
    few seeds or was not judged, the answer says so instead of the template.
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
    shown, folded = (
        [_captioned(block, template, facts) for block in part] for part in (blocks, details)
    )
    return Section(name, title, short, certainty, answer, numbers, shown, how, folded)


def _captioned(block: Block, template: str, facts: Mapping[str, Any]) -> Block:
    if isinstance(block, Table) or block.caption:
        return block
    return replace(block, caption=_line(sentence(template, block.name, facts)))


def attempt(verdict: Callable[..., Verdict], *arguments: Any) -> Verdict | None:
    """The verdict that the function computes, or None when it raises Unanswered."""
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
    """The document as HTML that needs no other file: it holds the pictures, which have to exist."""
    return _environment().get_template("page.html.j2").render(document=document).strip() + "\n"


def markdown(document: Document) -> str:
    """The document as Markdown, for a terminal or a code host."""
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
    environment.filters |= {name: word for name, word in vars(words).items() if callable(word)}
    environment.filters |= {
        "unbroken": lambda text: re.sub(r" (?=[%=±])|(?<=[=±]) ", "\N{NO-BREAK SPACE}", text),
        "base64": lambda path: base64.b64encode(path.read_bytes()).decode(),
        "columns": _columns,
    }
    return environment


def _columns(table: Table) -> str:
    """A table in Markdown, whose columns are as wide as their widest cell."""
    rows = [table.head, *table.rows]
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    padded = ([cell.ljust(w) for cell, w in zip(row, widths, strict=True)] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)
