"""Shards of text files (JSON, JSON lines and CSV)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import pyarrow as pa

from handpicked.data import bulk, copies
from handpicked.data.batch import Reading, column_type, rejects, to_batch
from handpicked.data.files import document, jsonarray, lines, table
from handpicked.data.files.buffer import Place
from handpicked.data.files.container import DAMAGED, Container, open_text
from handpicked.data.files.raw import Raw, between
from handpicked.data.found import Found
from handpicked.errors import PoolError
from handpicked.records import Rejected

HOLD = 64 << 20
"""A file up to this many bytes of text is parsed once and held."""
SHARD = 64 << 20
HELD_SHARD = 8 << 20
ROWS = 4096
"""Rows a batch at most."""


@dataclass(frozen=True)
class Span:
    """A part of a file between two rows: bytes ``start`` to ``end`` (``None``: to the
    end), beginning in ``line``.

    ``keys`` are the fields of the file's first row and ``last`` the line in which its own last row begins.
    ``held`` keeps the parsed rows of a small file.
    """

    start: int = 0
    end: int | None = None
    line: int = 1
    rows: int = 0
    keys: frozenset[str] = frozenset()
    last: int = 0
    held: tuple[Raw, ...] | None = field(default=None, repr=False, compare=False)


def stream_rows(path: Path, container: Container, span: Span | None = None) -> Iterator[Raw]:
    """The raw rows of a text file, or of one span of it. Raises PoolError where the file cannot be read on."""
    with open_text(path, container) as stream:
        try:
            yield from _parsed(stream, str(path), container, span)
        except DAMAGED as error:
            raise PoolError(f"{path} cannot be read to its end: {error or 'it is cut short'}") from error


def _parsed(stream: IO[bytes], where: str, container: Container, span: Span | None) -> Iterator[Raw]:
    part = span or Span()
    size = None if part.end is None else part.end - part.start
    if part.start:
        stream.seek(part.start)
    if container.kind == "json lines":
        yield from lines.json_lines(stream, part.start, part.line, size, container.max_row)
    elif container.kind == "csv":
        yield from table.csv_rows(stream, where, container.form, container.max_row)
    elif container.kind == "json document":
        yield document.rows(document.load(stream, where, container.max_row), container.shape)
    else:
        elements = jsonarray.Elements(
            stream,
            where,
            array=container.kind == "json array",
            place=Place(part.start, part.line, size),
            keys=part.keys if part.start else frozenset(),
            max_row=container.max_row,
        )
        yield from elements.read()


def spans(path: Path, container: Container) -> list[Span]:
    """Cut a file into parts that can be read by themselves, and count their rows: one pass over it."""
    size = path.stat().st_size
    hold = size <= HOLD
    if container.kind == "json lines" and not hold:
        return _line_spans(path, container)
    whole = not container.seekable or container.kind in ("csv", "json document")
    found: list[Span] = []
    start, line, count, keys, last = 0, 1, 0, frozenset[str](), 0
    runs: list[Raw] = []
    for raw in stream_rows(path, container):
        if hold and raw.end > HOLD:  # it was compressed
            hold, runs = False, []
        if not raw.rows:
            continue
        keys = keys or next((frozenset(row) for row in raw.rows if isinstance(row, dict)), frozenset())
        count += len(raw.rows)
        last = raw.lines[-1]
        if hold:
            runs.append(raw)
        if not whole and raw.end - start >= (HELD_SHARD if hold else SHARD):
            found.append(Span(start, raw.end, line, count, keys, last, tuple(runs) if hold else None))
            start, line, count, runs = raw.end, raw.end_line, 0, []
        del raw  # a large row is not kept while the next one is read
    if count or not found:
        end = None if whole or not found else size
        found.append(Span(start, end, line, count, keys, last, tuple(runs) if hold else None))
    return found


def _line_spans(path: Path, container: Container) -> list[Span]:
    """Spans of a large JSON lines file: its lines are counted, not parsed."""
    found: list[Span] = []
    start, line, count, newlines = 0, 1, 0, 0
    with open_text(path, container) as stream:
        end = 0
        try:
            for chunk, end in lines.line_chunks(stream, max_row=container.max_row):
                count += lines.count_lines(chunk)
                newlines += 1 if isinstance(chunk, lines.Oversized) else chunk.count(b"\n")
                if end - start >= SHARD and container.seekable:
                    found.append(Span(start, end, line, count))
                    start, line, count, newlines = end, line + newlines, 0, 0
        except DAMAGED as error:
            raise PoolError(f"{path} cannot be read to its end: {error or 'it is cut short'}") from error
    if count or not found:
        found.append(Span(start, None if not found else end, line, count))
    return found


@dataclass(frozen=True)
class TextShard:
    """One span of a text file as a shard of the pool."""

    found: Found
    container: Container
    span: Span
    reading: Reading
    first_row: int
    in_file: int = 0

    @property
    def rows(self) -> int:
        """Its rows, rejected ones included."""
        return self.span.rows

    def raw(self) -> Iterator[tuple[int, Raw]]:
        """Runs of raw rows, each with the pool row of its first. None is kept here while it is
        worked on: a row may be large.
        """
        runs = (
            self.span.held
            if self.span.held is not None
            else stream_rows(copies.here(self.found), self.container, self.span)
        )
        row, count = self.first_row, 0
        for run in runs:
            parts = [
                Raw(run.rows[begin : begin + ROWS], run.lines[begin : begin + ROWS], run.end)
                for begin in range(0, len(run.rows), ROWS)
            ]
            count += len(run.rows)
            del run
            for size in [len(part.rows) for part in parts]:
                yield row, parts.pop(0)
                row += size
        if count != self.rows:
            raise PoolError(
                f"{self.found.path} has changed since it was read: {count} rows where there "
                f"were {self.rows}; read it again"
            )

    def chosen(self, rows: Sequence[int]) -> Iterator[tuple[Sequence[int], Raw]]:
        """The raw rows with these (ascending) numbers, each run with its numbers."""
        for first, run in self.raw():
            own = between(rows, first, first + len(run.rows))
            chosen = [Raw([run.rows[row - first] for row in own], [run.lines[row - first] for row in own])]
            del run
            if len(own):
                yield own, chosen.pop()

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See ``records.Shard``."""
        for column in columns:
            column_type(column, self.reading.kinds)
        for row, run in self.raw():
            gathered = bulk.gathered(run, self.reading, columns)
            plain = None if gathered is None else bulk.understood(gathered, self.reading, columns)
            if gathered is None or plain is None:
                yield to_batch(run, row, self.reading, columns)
                continue
            del run
            yield bulk.batch_of(gathered, *plain, row, self.reading, columns)

    def rejected(self) -> Iterator[Rejected]:
        """Its rows that cannot be read."""
        for row, run in self.raw():
            if self.reading.place == "row of the array":
                begin = row - self.first_row + self.in_file + 1
                run = replace(run, lines=range(begin, begin + len(run.rows)))
            gathered = bulk.gathered(run, self.reading)
            suspects = range(len(run.rows)) if gathered is None else bulk.unreadable(gathered, self.reading)
            part = Raw(
                [run.rows[index] for index in suspects], [run.lines[index] for index in suspects], run.end
            )
            yield from rejects(part, [row + index for index in suspects], self.reading)

    def __getstate__(self) -> dict[str, object]:
        """Held rows stay at home: a worker reads its span from the file."""
        return {**self.__dict__, "span": replace(self.span, held=None)}
