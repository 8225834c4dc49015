"""A table that the page, report.md and the terminal write with the same columns and cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from handpicked.pages.text import visible


@dataclass(frozen=True)
class Cell:
    """One cell; ``note`` is shown smaller beside it, on the page without brackets."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A column by its head; numbers stand to the right."""

    head: str
    number: bool = True


@dataclass(frozen=True)
class Table:
    """``title`` says what the table holds. Each row has one cell a column; the first names the row."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str | Cell]], text_columns: int) -> Table:
    """A table whose first ``text_columns`` columns hold text."""
    return Table(
        title,
        tuple(Column(name, number=place >= text_columns) for place, name in enumerate(head)),
        tuple(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows),
    )


def markdown(one: Table) -> str:
    """The table under its title as Markdown; nothing for one without rows."""
    if not one.rows:
        return ""
    head = [plain(column.head) for column in one.columns]
    rule = ["--:" if column.number else "---" for column in one.columns]
    lines = [head, rule, *([_text(cell) for cell in row] for row in one.rows)]
    return f"## {one.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


WIDTH = 110
"""Letters in a line of a terminal that a table may take."""


def text(one: Table, width: int = WIDTH) -> str:
    """The table under its title for a terminal, its columns aligned; where a line would be longer than
    ``width`` letters, a block for each row with a line for each column. Nothing for one without rows.
    """
    if not one.rows:
        return ""
    rows = [[_shown(cell) for cell in row] for row in one.rows]
    heads = [column.head for column in one.columns]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    if 2 + sum(widths) + 2 * (len(widths) - 1) > width:
        return "\n".join([one.title, *(line for row in rows for line in _block(heads, row))])
    numbers = [column.number for column in one.columns]
    aligned = [
        "  ".join(
            word.rjust(wide) if number else word.ljust(wide)
            for word, wide, number in zip(line, widths, numbers, strict=True)
        )
        for line in (heads, *rows)
    ]
    return "\n".join([one.title, *(f"  {line}".rstrip() for line in aligned)])


def _block(heads: Sequence[str], row: Sequence[str]) -> list[str]:
    """A row as a list: its first cell, and below it every other cell that holds something."""
    wide = max(map(len, heads))
    return [
        f"  {row[0]}",
        *(f"    {head:<{wide}}  {word}" for head, word in zip(heads[1:], row[1:], strict=True) if word),
    ]


def _shown(cell: Cell) -> str:
    said = f"{cell.text} ({cell.note})" if cell.note else cell.text
    return " ".join(visible(said).split())


def _text(cell: Cell) -> str:
    return plain(f"{cell.text} ({cell.note})" if cell.note else cell.text)


def plain(text: str) -> str:
    """Foreign text, escaped for Markdown and HTML."""
    flat = " ".join(visible(text).split())
    return re.sub(r"([\\`*_\[\]<>|&])", r"\\\1", flat)
