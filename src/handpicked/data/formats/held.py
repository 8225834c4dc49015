"""Rows that lie in a field of an object, such as ``{"row_idx": 0, "row": {...}}``, or a row as JSON text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from handpicked.data.formats.cells import BadRow, Row, absent, kind_name, literal
from handpicked.data.formats.row_format import RowFormat, texts
from handpicked.errors import PoolError
from handpicked.records import Message

Recognised = Callable[[Sequence[Row]], tuple[RowFormat, str]]
"""Recognises rows, or raises PoolError."""
LOOKED_AT = 50
"""First rows of which one at least must be readable."""


@dataclass(frozen=True)
class Wrapper(RowFormat):
    """Rows that hold what is read in some other shape, as which ``inner`` reads them."""

    inner: RowFormat = field(kw_only=True)

    @abstractmethod
    def unwrapped(self, row: Row) -> Row:
        """The row in the shape that ``inner`` reads. Raises BadRow."""

    @property
    def derived(self) -> tuple[str, ...]:
        return self.inner.derived

    def messages(self, row: Row) -> list[Message]:
        self.beside.check(row)
        return self.beside.around(self.inner.messages(self.unwrapped(row)), row)

    def value(self, row: Row, column: str) -> float | None:
        try:
            return self.inner.value(self.unwrapped(row), column)
        except BadRow:
            return None

    def unread(self, row: Row) -> Iterator[str]:
        try:
            inner = self.unwrapped(row)
        except BadRow:
            return
        known = {*self.inner.fields, *self.inner.beside.known}
        for name, value in inner.items():
            if name not in known and value not in (None, "", [], {}):
                yield f"{self.required[0]}.{name}"
        yield from (f"{self.required[0]}.{name}" for name in self.inner.unread(inner))


@dataclass(frozen=True)
class Held(Wrapper):
    """Rows that lie in the field ``held``."""

    held: str

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.held, *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.held,)

    def unwrapped(self, row: Row) -> Row:
        found = _object(row.get(self.held))
        if found is None:
            said = row.get(self.held)
            raise BadRow(
                absent(self.held, row)
                if said is None
                else f"field '{self.held}' is {kind_name(said)}, no row"
            )
        return found


def held(rows: Sequence[Row], recognised: Recognised) -> tuple[RowFormat, str] | None:
    """The format of rows that lie in a field each, where only one field holds rows that can be read."""
    found = []
    for name in list(rows[0])[:LOOKED_AT] if rows else ():
        inner = [one for row in rows if (one := _object(row.get(name))) is not None]
        if len(inner) < len(rows):
            continue
        try:
            shape, why = recognised(inner)
        except PoolError:
            continue
        if readable(shape, inner):
            found.append((Held(shape.name, held=name, inner=shape), f"rows lie in the field '{name}': {why}"))
    return found[0] if len(found) == 1 else None


def readable(shape: RowFormat, rows: Sequence[Row]) -> bool:
    """Whether one at least of the first rows has a prompt and a response."""
    return any(_is_readable(shape, row) for row in rows[:LOOKED_AT])


def _is_readable(shape: RowFormat, row: Row) -> bool:
    try:
        texts(shape.messages(row), "last")
    except BadRow:
        return False
    return True


def _object(value: object) -> Row | None:
    found = literal(value) if isinstance(value, str) and value.lstrip()[:1] == "{" else value
    return found if isinstance(found, Mapping) else None
