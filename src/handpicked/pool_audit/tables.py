"""The tables of ``audit.html``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from handpicked.pages import charts
from handpicked.pages.table import Cell, Column, Table, aside, bold, figure, table
from handpicked.pages.text import number, visible
from handpicked.pool_audit.record import (
    Against,
    Audit,
    AuditedFile,
    Conversations,
    Copies,
    FilePair,
    GuardFound,
    Lengths,
    Reason,
    Rendered,
    Values,
)
from handpicked.pool_audit.text import COPIES, QUANTILES, share
from handpicked.records import Unread

FILES = 100
"""Files that the page lists; audit.json has all."""
NAME, ROWS, SHARE = Column("Rows that", number=False), Column("Rows"), Column("Share", label="share")


def _counted(rows: int, of: int) -> tuple[Cell, Cell]:
    return Cell(number(rows), strong=True), Cell(share(rows, of))


def _below(name: Markup | str, remark: str) -> Cell:
    """A name, and a remark on a line of its own below it."""
    return Cell("", drawn=Markup("{}<br>{}").format(name, aside(remark)))


def filters(found: Sequence[GuardFound], readable: int) -> Table:
    """The filters that would drop rows, with a bar by the first of them."""
    columns = (Column("Filter", number=False), Column("", number=False, chart="chart"), ROWS, SHARE)
    return figure(
        columns,
        [
            (
                _below(bold(one.name), one.rule),
                Cell("", drawn=charts.share_bar(one.rows, found[0].rows)),
                *_counted(one.rows, readable),
            )
            for one in found
        ],
    )


def reasons(listed: Sequence[Reason], of: int) -> Table:
    """Why rows were rejected or refused, with the first of each."""
    return figure(
        (Column("Reason", number=False), ROWS, SHARE),
        [
            (
                _below(visible(one.reason), f"such as {one.file}, {one.place}: {one.excerpt}"),
                *_counted(one.rows, of),
            )
            for one in listed
        ],
    )


def commonest(values: Values, of: int) -> Table:
    """The most common values, those beside them, and the rows without one."""
    rows = [(one.value, one.rows) for one in values.top]
    if values.others:
        rows.append((f"{number(values.others)} others", values.other_rows))
    if values.none:
        rows.append(("none", values.none))
    head = [values.of.capitalize(), "Rows", "Share"]
    return table(values.of, head, [(name, number(count), share(count, of)) for name, count in rows], 1)


def copies(found: Sequence[Copies], readable: int, *, across: bool) -> Table:
    """Rows that repeat others; ``across``: also those whose kept one is in another file."""
    columns = (NAME, ROWS, SHARE, *([Column("Across files", label="across files")] if across else []))
    return figure(
        columns,
        [
            (
                Cell(COPIES[one.kind]),
                *_counted(one.rows, readable),
                *([Cell(number(one.across))] if across else []),
            )
            for one in found
        ],
    )


def pairs_of_files(pairs: Sequence[FilePair]) -> Table:
    """Which file repeats rows of which."""
    rows = [(pair.file, pair.repeats, number(pair.rows)) for pair in pairs]
    return table("Copies by files", ["Rows of", "repeat rows of", "Rows"], rows, 2)


def in_common(found: Sequence[Against], readable: int) -> Table:
    """What the pool has in common with each of the other files."""
    head = ["File", "Holds", "Same messages", "Same prompt", "13 words in a row", "Rows in all"]
    rows = [
        (
            one.file,
            f"{number(one.items)} {one.kind}",
            number(one.common.conversations if one.kind == "rows" else None),
            number(one.common.prompts),
            number(one.common.overlaps),
            Cell(number(one.common.rows), share(one.common.rows, readable), strong=True),
        )
        for one in found
    ]
    return table("What the pool has in common with other files", head, rows, 1)


def lengths(found: Sequence[Lengths]) -> Table:
    """The lengths of each part of a row."""
    head = ["Part", "Rows", "Shortest", *("Median" if q == "p50" else f"{q[1:]}%" for q in QUANTILES)]
    head += ["Longest", "Mean", "Total"]
    return table("Lengths by part", head, [tuple(_length(one)) for one in found], 1)


def _length(one: Lengths) -> Iterator[str]:
    yield from (one.of, number(one.rows), number(one.least))
    yield from (number(one.quantiles.get(q)) for q in QUANTILES)
    yield from (number(one.most), number(one.mean, 1), number(one.total if one.rows else None))


def rendered(found: Rendered) -> Table:
    """What the chat template makes of the rows."""
    left = found.rows - found.refused
    rows = [("it refuses", found.refused, found.rows)]
    if left:
        rows += [
            ("have thoughts or tool calls that it has no form for: they are learned as text", found.as_text, left),
            ("declare tools that it does not show", found.unshown_tools, left),
        ]  # fmt: skip
    if left and found.max_length:
        rows += [
            (f"are cut at {number(found.max_length)} tokens", found.cut or 0, left),
            ("have no response left then", found.no_response or 0, left),
            ("tokens that are lost then", found.tokens_lost or 0, found.tokens),
        ]
    return figure((NAME, ROWS, SHARE), [(Cell(name), *_counted(count, of)) for name, count, of in rows])


def roles(found: Conversations, readable: int) -> Table:
    """Who speaks, in how many turns and rows."""
    rows = [
        (one.role, number(one.messages), number(one.rows), share(one.rows, readable)) for one in found.roles
    ]
    return table("Roles", ["Role", "Turns", "Rows", "Share"], rows, 1)


def files(audit: Audit) -> Table:
    """The files of the pool, at most ``FILES`` of them."""
    rows = [_file(one) for one in audit.files[:FILES]]
    if (others := len(audit.files) - FILES) > 0:
        rows.append((f"{number(others)} others, in audit.json", "", "", ""))
    return table("Files", ["File", "Format", "Rows", "Rejected"], rows, 2)


def _file(one: AuditedFile) -> tuple[str, ...]:
    return (one.path, f"{one.format}, {one.container}", number(one.rows), number(one.rejected))


def unread(found: Sequence[Unread]) -> Table:
    """Fields that are not part of the conversation."""
    head = ["Field", "Rows (or turns) with a value", "Looked at"]
    rows = [(one.field, number(one.rows), f"{number(one.of)} rows") for one in found]
    return table("Fields that are not part of the conversation", head, rows, 1)
