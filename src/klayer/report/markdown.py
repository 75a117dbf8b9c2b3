"""Writes the report as Markdown, for a terminal or a code host."""

from __future__ import annotations

from collections.abc import Iterator

from klayer.report.document import Block, Document, Examples, Figure, Pictures, Table, Text


def markdown(document: Document) -> str:
    """Pictures are links, from reports/ on."""
    parts = [f"# {document.title}", *_blocks(document.lead)]
    short = [f"- **{section.title}** {section.answer}" for section in document.sections]
    parts += ["## In short", "\n".join(short)]
    for section in document.sections:
        parts += [f"## {section.title}", f"**{section.answer}**", *_blocks(section.blocks)]
    return "\n\n".join(parts) + "\n"


def _blocks(blocks: tuple[Block, ...]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Text():
                yield f"> **{block.text}**" if block.warning else block.text
            case Table():
                yield f"{block.caption}:"
                yield _table(block)
            case Figure():
                yield f"![{block.caption}](figures/{block.name}.png)"
                yield f"*{block.caption}*"
            case Pictures():
                yield f"{block.caption}"
                for title, path in block.files:
                    yield f"{title}: ![{title}](../{path.as_posix()})"
            case Examples():
                yield f"![{block.caption}](../{block.sheet.as_posix()})"
                yield _table(_as_table(block))


def _table(table: Table) -> str:
    """Columns are as wide as their widest cell, to be read as they are."""
    rows = [table.head, *table.rows]
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(table.head))]
    lines = [" | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)


def _as_table(block: Examples) -> Table:
    rows = []
    for number, example in enumerate(block.examples, start=1):
        probable = ", ".join(f"{name} {100 * share:.0f} %" for name, share in example.probabilities)
        rows.append((str(number), example.actual, probable))
    return Table(block.caption, ("image", "actual class", "most probable classes"), tuple(rows))
