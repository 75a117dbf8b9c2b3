"""Writes the report as one page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from pathlib import Path

from PIL import Image

from klayer.errors import KlayerError
from klayer.report.document import (
    Block,
    Document,
    Examples,
    Figure,
    Key,
    Pictures,
    Section,
    Table,
    Text,
)
from klayer.report.drawing import VARIABLES, svg
from klayer.report.look import STYLE


def page(document: Document) -> str:
    """HTML. Raises KlayerError when a picture of another stage is missing."""
    body = [f"<h1>{escape(document.title)}</h1>", *_blocks(document.lead), _short(document)]
    body += [_section(section) for section in document.sections]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(document.title)}</title>\n"
        f'<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n</head>\n'
        "<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def _short(document: Document) -> str:
    answers = "".join(
        f'<dt><a href="#{s.anchor}">{escape(s.title)}</a></dt><dd>{escape(s.answer)}</dd>'
        for s in document.sections
    )
    return f'<div class="short"><h2>In short</h2><dl>{answers}</dl></div>'


def _section(section: Section) -> str:
    head = f'<section id="{section.anchor}"><h2>{escape(section.title)}</h2>'
    answer = f'<p class="answer">{escape(section.answer)}</p>'
    return "\n".join([head, answer, *_blocks(section.blocks), "</section>"])


def _blocks(blocks: tuple[Block, ...]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Text():
                kind = ' class="warning"' if block.warning else ""
                yield f"<p{kind}>{escape(block.text)}</p>"
            case Table():
                yield _table(block)
            case Figure():
                yield _figure(block)
            case Pictures():
                yield _pictures(block)
            case Examples():
                yield _examples(block)


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
    head = f"<thead><tr>{head}</tr></thead>" if any(table.head) else ""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in table.rows
    )
    caption = f"<caption>{escape(table.caption)}</caption>"
    return f'<div class="scroll"><table>{caption}{head}<tbody>{rows}</tbody></table></div>'


def _figure(figure: Figure) -> str:
    wide = " wide" if figure.wide else ""
    panels = "".join(
        f'<div class="panel"><h3>{escape(panel.title)}</h3>{svg(panel, figure.wide)}</div>'
        for panel in figure.panels
    )
    legend = "".join(_key(key) for key in figure.legend)
    return (
        f'<figure><div class="legend">{legend}</div><div class="panels{wide}">{panels}</div>'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )


def _key(key: Key) -> str:
    colour = f"var(--{VARIABLES[key.colour]})"
    dashes = {":": ' stroke-dasharray="2 4"', "--": ' stroke-dasharray="7 5"'}.get(key.style, "")
    shapes = {
        "o": f'<circle cx="16" cy="6" r="4" fill="{colour}"/>',
        "D": f'<path d="M16 1l5 5-5 5-5-5z" fill="none" stroke="{colour}" stroke-width="1.5"/>',
    }
    line = f'<path d="M0 6h32" stroke="{colour}" stroke-width="2.5"{dashes}/>'
    shape = shapes.get(key.style, line)
    return f'<span><svg viewBox="0 0 32 12">{shape}</svg>{escape(key.label)}</span>'


def _pictures(block: Pictures) -> str:
    tiles = "".join(
        f'<div><img src="{_embedded(_read(path))}" alt="{escape(title)}"><br>{escape(title)}</div>'
        for title, path in block.files
    )
    caption = f"<figcaption>{escape(block.caption)}</figcaption>"
    return f'<figure><div class="pictures">{tiles}</div>{caption}</figure>'


def _examples(block: Examples) -> str:
    with Image.open(io.BytesIO(_read(block.sheet))) as sheet:
        size = sheet.height  # the images are square
        boxes = [(i * size, 0, (i + 1) * size, size) for i in range(len(block.examples))]
        tiles = [_tile(sheet.crop(box)) for box in boxes]
    shown = []
    for tile, example in zip(tiles, block.examples, strict=True):
        bars = "".join(
            f'<div class="bar" style="--share:{100 * share:.0f}%;'
            f'--bar:var(--{"green" if name == example.actual else "orange"})">'
            f"{escape(name)} {100 * share:.0f} %</div>"
            for name, share in example.probabilities
        )
        picture = f'<img src="{tile}" alt="{escape(example.actual)}">'
        shown.append(
            f'<div class="example">{picture}<div><b>{escape(example.actual)}</b>{bars}</div></div>'
        )
    caption = f"<figcaption>{escape(block.caption)} Green: the actual class.</figcaption>"
    return f'<figure><div class="examples">{"".join(shown)}</div>{caption}</figure>'


def _tile(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return _embedded(file.getvalue())


def _embedded(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KlayerError(f"{path} cannot be read ({error.strerror}): run `dvc repro`") from error
