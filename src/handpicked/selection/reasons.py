"""Why rows were rejected, most common reason first, and the error when no row is left."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.data.raw import excerpt
from handpicked.data.write import is_carried
from handpicked.errors import ConfigError, HandpickedError, PoolError
from handpicked.records import Dropped, Rejected, Unread

if TYPE_CHECKING:
    from handpicked.selection.result import Selection

FIELDS = 12
"""Fields that a summary names."""
SHOWN = 3
"""Reasons that a summary or an error names."""


def rejections(rejected: Iterable[Rejected]) -> tuple[Dropped, ...]:
    """The reasons of rejection with their counts, commonest first, each with its first row.

    Reasons that differ only in numbers (a line, a column) are one.
    """
    return tuple(Dropped(_where(first), rows) for first, rows in by_reason(rejected))


def by_reason(rejected: Iterable[Rejected]) -> list[tuple[Rejected, int]]:
    """The first row of each reason of rejection and how many rows have it, commonest first."""
    counts: Counter[str] = Counter()
    first: dict[str, Rejected] = {}
    for one in rejected:
        kind = re.sub(r"\d+", "0", one.reason)
        counts[kind] += 1
        first.setdefault(kind, one)
    return [(first[kind], rows) for kind, rows in counts.most_common()]


def _where(one: Rejected) -> str:
    return f"{one.reason} ({Path(one.file).name}, {one.place})"


def rejection_lines(found: Sequence[Dropped]) -> Iterator[str]:
    """The commonest reasons of rejection, for a terminal."""
    for part in found[:SHOWN]:
        yield f"  {part.rows:>11,}  rejected: {part.reason}"
    if len(found) > SHOWN:
        rest = sum(part.rows for part in found[SHOWN:])
        yield f"  {rest:>11,}  rejected for {len(found) - SHOWN} other reasons: see rejected.jsonl"


def unread_lines(found: Sequence[Unread], rows: int, format: str = "original") -> Iterator[str]:
    """What the ``rows`` of a pool hold that is not part of the conversation, for a terminal; they
    are written as ``format``.
    """
    for one in found[:FIELDS]:
        of = "turns" if "[]." in one.field else "rows"
        lost = format != "original" and not is_carried(one.field)
        left_out = f", and is left out of rows written as {format}" if lost else ""
        looked = f" of the first {one.of:,}" if one.of < rows else ""
        yield f"  field '{one.field}' in {one.rows:,} {of}{looked} is not part of the conversation{left_out}"
    if len(found) > FIELDS:
        yield f"  and {len(found) - FIELDS} other fields are not: see manifest.json"


def none_readable(rejected: Sequence[Rejected], done: str = "selected") -> PoolError:
    """What to raise where no row of a pool can be read; ``done`` is what was to be done with them."""
    examples = {_where(one): one.excerpt for one in reversed(rejected)}
    described = "; ".join(
        f"{part.rows:,} rows: {part.reason}{_shown(examples.get(part.reason, ''))}"
        for part in rejections(rejected)[:SHOWN]
    )
    return PoolError(
        f"none of the {len(rejected):,} rows of the pool can be read, so nothing is {done}. {described}"
    )


def none_left(selection: Selection) -> HandpickedError:
    """What to raise where a selection keeps no row."""
    if not selection.guarded.scored.rows:
        return none_readable(selection.rejected)
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for batch in selection.table():
        for row, reason in zip(batch["row"].to_pylist(), batch["reason"].to_pylist(), strict=True):
            counts[reason] += 1
            first.setdefault(reason, row)
    described = [
        f"{rows:,} rows: {reason} (such as row {first[reason]:,})"
        for reason, rows in counts.most_common(SHOWN)
    ]
    return ConfigError(
        f"no row is kept, so nothing is written. {'; '.join(described)}. Change the size, the guards or the pool."
    )


def _shown(text: str) -> str:
    return f": {excerpt(text)[:80]}" if text else ""
