"""A table as it is said once: the page and report.md write the same columns and cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from handpicked.report.text import visible


@dataclass(frozen=True)
class Cell:
    """What stands in one place; ``note`` is said smaller beside it, on the page without brackets."""

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


def _text(cell: Cell) -> str:
    return plain(f"{cell.text} ({cell.note})" if cell.note else cell.text)


def plain(text: str) -> str:
    """Foreign text that Markdown and HTML leave alone."""
    flat = " ".join(visible(text).split())
    return re.sub(r"([\\`*_\[\]<>|&])", r"\\\1", flat)
