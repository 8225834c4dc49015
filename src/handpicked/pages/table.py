"""A table that the page, report.md and the terminal write with the same columns and cells."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from handpicked.pages.text import visible


@dataclass(frozen=True)
class Cell:
    """One cell; ``note`` is shown smaller beside it, on the page without brackets. ``drawn`` is what the page
    has in place of the text, such as a chart; ``strong`` sets the figure apart there.
    """

    text: str
    note: str = ""
    drawn: Markup | None = None
    strong: bool = False


@dataclass(frozen=True)
class Column:
    """A column by its head; numbers are aligned right.

    ``chart`` is the style of a column of charts, which only the page has, with an ``axis`` in its head;
    ``label`` what a narrow page shows before each figure, where it has no heads; ``style`` that of a column of
    words.
    """

    head: str
    number: bool = True
    chart: str = ""
    axis: Markup | None = None
    label: str = ""
    style: str = ""


@dataclass(frozen=True)
class Table:
    """``title`` says what the table holds. Each row has one cell a column; the first names the row.
    ``marked`` are the rows that the page sets apart, such as the candidates.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marked: Collection[int] = ()

    @property
    def axis(self) -> Markup | None:
        """The axis of its charts, where they have one."""
        return next((column.axis for column in self.columns if column.axis is not None), None)

    @property
    def heads(self) -> list[Column]:
        """The columns that hold text."""
        return [column for column in self.columns if not column.chart]

    @property
    def lines(self) -> list[list[Cell]]:
        """The rows without their charts."""
        charts = [bool(column.chart) for column in self.columns]
        return [[cell for cell, chart in zip(row, charts, strict=True) if not chart] for row in self.rows]


def figure(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], marked: Collection[int] = ()) -> Table:
    """A table of the page, under a caption of its own."""
    return Table("", tuple(columns), tuple(map(tuple, rows)), marked)


def bold(text: str) -> Markup:
    """A name as the page shows it."""
    return Markup("<b>{}</b>").format(visible(text))


def aside(text: str) -> Markup:
    """A remark that the page shows smaller, beside a name."""
    return Markup('<span class="by">{}</span>').format(visible(text))


def unseen(text: str) -> Markup:
    """What only a screen reader says."""
    return Markup('<span class="sr">{}</span>').format(visible(text))


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
    head = [plain(column.head) for column in one.heads]
    rule = ["--:" if column.number else "---" for column in one.heads]
    lines = [head, rule, *([_text(cell) for cell in row] for row in one.lines)]
    return f"## {one.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


WIDTH = 110
"""Letters in a line of a terminal that a table may take."""


def text(one: Table, width: int = WIDTH) -> str:
    """The table under its title for a terminal, its columns aligned; where a line would be longer than
    ``width`` letters, a block for each row with a line for each column. Nothing for one without rows.
    """
    if not one.rows:
        return ""
    rows = [[_shown(cell) for cell in row] for row in one.lines]
    heads = [column.head for column in one.heads]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    if 2 + sum(widths) + 2 * (len(widths) - 1) > width:
        return "\n".join([one.title, *(line for row in rows for line in _block(heads, row))])
    numbers = [column.number for column in one.heads]
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
