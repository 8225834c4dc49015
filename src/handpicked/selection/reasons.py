"""Why rows were rejected, most common reason first, and the error when no row is left."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.data.files.raw import excerpt
from handpicked.data.shapes import is_carried
from handpicked.errors import ConfigError, HandpickedError, PoolError
from handpicked.records import Dropped, Rejected, Unread

if TYPE_CHECKING:
    from handpicked.selection.result import Selection

FIELDS = 12
"""Fields that a summary names."""
SHOWN = 3
"""Reasons that a summary or an error names."""
KINDS = 10_000
"""Different reasons that are counted by themselves."""
FURTHER = "another reason (see rejected.jsonl)"
NUMBER = re.compile(r"\d+")


@dataclass
class Reasons:
    """Counts why rows were rejected, and keeps the first row of each reason. Reasons that differ only in
    numbers (a line, a column) are one. A reason that is met after ``KINDS`` others counts as ``FURTHER``, so
    that a pool in which every row has a reason of its own takes no more memory.
    """

    rows: int = 0
    _counts: Counter[str] = field(default_factory=Counter)
    _first: dict[str, Rejected] = field(default_factory=dict)

    def add(self, one: Rejected) -> None:
        """Count a rejected row."""
        kind = NUMBER.sub("0", one.reason)
        if kind not in self._first and len(self._first) >= KINDS:
            kind, one = FURTHER, replace(one, reason=FURTHER)
        self.rows += 1
        self._counts[kind] += 1
        self._first.setdefault(kind, one)

    def listed(self) -> list[tuple[Rejected, int]]:
        """The first row of each reason and how many rows have it, most common first."""
        return [(self._first[kind], rows) for kind, rows in self._counts.most_common()]

    def dropped(self) -> tuple[Dropped, ...]:
        """The reasons, each with its first row, and their counts, most common first."""
        return tuple(Dropped(_where(first, rows), rows) for first, rows in self.listed())


def reasons_of(rejected: Iterable[Rejected]) -> Reasons:
    """Why these rows were rejected."""
    found = Reasons()
    for one in rejected:
        found.add(one)
    return found


def _where(one: Rejected, rows: int) -> str:
    """The reason of ``rows`` rows with the place of the first, ``one``."""
    return f"{one.reason} ({'such as ' if rows > 1 else ''}{Path(one.file).name}, {one.place})"


def rejection_lines(found: Sequence[Dropped]) -> Iterator[str]:
    """The most common reasons of rejection, for a terminal."""
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


def none_readable(why: Reasons, done: str = "selected") -> PoolError:
    """What to raise where no row of a pool can be read; ``done`` is what was to be done with them."""
    described = "; ".join(
        f"{rows:,} rows: {_where(first, rows)}{_shown(first.excerpt)}" for first, rows in why.listed()[:SHOWN]
    )
    return PoolError(
        f"none of the {why.rows:,} rows of the pool can be read, so nothing is {done}. {described}"
    )


def none_left(selection: Selection) -> HandpickedError:
    """What to raise where a selection keeps no row."""
    if not selection.guarded.scored.rows:
        return none_readable(selection.rejected.reasons)
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
