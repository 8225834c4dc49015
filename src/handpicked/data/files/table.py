"""Streams CSV and TSV files with a header; a row with a wrong number of fields is rejected.

Python's ``csv`` holds a field at four bytes a character and keeps that memory. So a record that outgrows a
chunk is taken from it: its lines are gathered until its quotes are even, and it is cut into fields here.
"""

from __future__ import annotations

import csv
import sys
from collections import deque
from collections.abc import Iterator
from typing import IO

from handpicked.data.files import lines
from handpicked.data.files.csv_form import CsvForm
from handpicked.data.files.lines import Oversized, line_chunks
from handpicked.data.files.parsing import encoding_hint, too_large
from handpicked.data.files.raw import MAX_ROW, Damage, Raw, excerpt
from handpicked.errors import PoolError


class _Wide(Exception):
    """The record that is being read outgrew a chunk."""


class _Lines:
    """The lines of a CSV file for ``csv.reader``; remembers those of the record that is being read."""

    def __init__(self, stream: IO[bytes], max_row: int, form: CsvForm) -> None:
        self._chunks = line_chunks(stream, max_row=max_row)
        self._max_row, self._form = max_row, form
        self._waiting: deque[bytes | bytearray | Oversized] = deque()
        self._last: bytes | bytearray | Oversized = b""
        self.number, self.end = 0, 0
        self.start_record()

    def start_record(self) -> None:
        """The next line begins a record."""
        self._record: list[str] = []
        self._size, self.bytes_that_are_not_utf8 = 0, b""

    @property
    def looks_like_json(self) -> bool:
        """Whether the record begins as a JSON list or object does."""
        return "".join(self._record).lstrip()[:2] in ("[{", '{"', "[\n", "{\n")

    @property
    def hint(self) -> str:
        """What may be wrong with the record."""
        escaped = any('\\"' in line for line in self._record)
        return ' (a quote inside of a field is written "", not \\")' if escaped else ""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._next()
        if self._size > min(lines.CHUNK, self._max_row) or isinstance(line, Oversized):
            self._last = line
            del line  # else the error would keep it
            raise _Wide
        text = self._text(line)
        self._record.append(text)
        return text

    def rest_of_wide_record(self) -> bytearray | Damage | None:
        """The whole record as bytes, read on to where its quotes are even; ``None`` where that is nowhere."""
        odd = sum(text.count('"') for text in self._record) % 2
        record = bytearray("".join(self._record).encode("utf-8", "surrogateescape"))
        self._record = []
        over = b""
        while True:
            line: bytes | bytearray | Oversized = self._last
            self._last = b""
            odd ^= (line.quotes if isinstance(line, Oversized) else line.count(b'"')) % 2
            if isinstance(line, Oversized) or self._size > self._max_row:
                over = over or bytes(record[:1000])
                over = over or (line.head if isinstance(line, Oversized) else bytes(line[:1000]))
                record.clear()
            elif record or not isinstance(line, bytearray):
                record += line
            else:
                record = line
            del line
            if not (odd and self._form.quoted):
                break
            try:
                self._last = self._next()
            except StopIteration:
                return None
        return too_large(self._size, self._max_row, over) if over else record

    def _next(self) -> bytes | bytearray | Oversized:
        while not self._waiting:
            chunk, self.end = next(self._chunks)
            self._waiting.extend(_cut(chunk))
            del chunk
        line = self._waiting.popleft()
        if self._form.escaped and not isinstance(line, Oversized):
            line = line.replace(b'\\"', b'""')
        self.number += 1
        self._size += line.size if isinstance(line, Oversized) else len(line)
        return line

    def _text(self, line: bytes | bytearray) -> str:
        if self.number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            self.bytes_that_are_not_utf8 = bytes(line)
            return line.decode("utf-8", "surrogateescape")


def _cut(chunk: bytes | bytearray | Oversized) -> list[bytes | bytearray | Oversized]:
    """The lines of a chunk; a chunk of one line is not copied."""
    if isinstance(chunk, Oversized):
        return [chunk]
    end = len(chunk) - (2 if chunk.endswith(b"\r\n") else chunk.endswith((b"\n", b"\r")))
    if chunk.find(b"\n", 0, end) < 0 and chunk.find(b"\r", 0, end) < 0:
        return [chunk]
    return list(chunk.splitlines(keepends=True))


class _Header:
    """The names of the columns. Of several columns without a name (Excel writes such) those
    with a value get a number.
    """

    def __init__(self, cells: list[str], where: str) -> None:
        named = [name for name in cells if name.strip()]
        seen: set[str] = set()
        for name in named:
            if name in seen:
                raise PoolError(
                    f"{where}: the CSV header names the column '{name}' twice; give each column its own name"
                )
            seen.add(name)
        self.names = cells
        self.unnamed = len(cells) - len(named) > 1

    def row(self, cells: list[str]) -> object:
        """The cells as a row; empty ones beyond the header, or under no name, are nothing."""
        names = self.names
        if len(cells) > len(names) and not any(cells[len(names) :]):
            cells = cells[: len(names)]
        elif (
            len(cells) < len(names) and self.unnamed and not any(name.strip() for name in names[len(cells) :])
        ):
            cells = cells + [""] * (len(names) - len(cells))
        if len(cells) != len(names):
            shown = excerpt(",".join(cells[:1000]))
            return Damage(f"{len(cells)} fields where the header has {len(names)}", shown)
        if not self.unnamed:
            return dict(zip(names, cells, strict=True))
        return {
            name if name.strip() else f"column {place}": cell
            for place, (name, cell) in enumerate(zip(names, cells, strict=True), 1)
            if cell or name.strip()
        }


def csv_rows(stream: IO[bytes], where: str, form: CsvForm, max_row: int = MAX_ROW) -> Iterator[Raw]:
    """The rows of a CSV file with a header.

    Raises PoolError for a header that names a column twice, and for a quote that never closes.
    """
    source = _Lines(stream, max_row, form)
    reader = _reader(source, form)
    header = _header(reader, source, where)
    rows: list[object] = []
    places: list[int] = []
    cells: list[str] = []
    begun, before = source.end, 0
    while True:
        source.start_record()
        first = source.number + 1
        try:
            cells = next(reader)
            row: object = header.row(cells) if cells else None
        except StopIteration:
            break
        except _Wide:
            row = _wide(source, header, form)
            reader = _reader(source, form)
            if row is None:
                raise PoolError(_never_closes(where, first, source.number, before + len(rows))) from None
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise PoolError(_never_closes(where, first, source.number, before + len(rows))) from error
            row = Damage(f"not valid CSV: {error}{source.hint}")
        if row is None:
            continue
        if source.bytes_that_are_not_utf8 and not isinstance(row, Damage):
            hint = encoding_hint(source.bytes_that_are_not_utf8)
            row = Damage(f"it holds bytes that are not UTF-8{hint}", excerpt(",".join(cells[:1000])))
        rows.append(row)
        places.append(first)
        del row, cells
        cells = []
        if source.end - begun >= lines.CHUNK:
            before += len(rows)
            begun = source.end
            run = [Raw(rows, places, source.end)]
            rows, places = [], []  # a large row is not kept here while it is worked on
            yield run.pop()
    yield Raw(rows, places, source.end)


def _header(reader: Iterator[list[str]], source: _Lines, where: str) -> _Header:
    """The first record that is not blank."""
    try:
        cells = next(filter(None, reader), [])
        if 0 < len(cells) <= 2 and cells[0].lower().startswith("sep=") and not "".join(cells[1:]):
            cells = next(reader, [])  # Excel's own hint, which is not a header
        return _Header(cells, where)
    except (csv.Error, _Wide) as error:
        hint = (
            ". It looks like JSON: give the file a name that ends in .json" if source.looks_like_json else ""
        )
        raise PoolError(
            f"{where}: the CSV header cannot be parsed: {error or 'it is too long'}{hint}"
        ) from error


def _reader(source: _Lines, form: CsvForm) -> Iterator[list[str]]:
    csv.field_size_limit(sys.maxsize)
    return form.reader(source)


def _wide(source: _Lines, header: _Header, form: CsvForm) -> object:
    """The row of a record that outgrew a chunk, or ``None`` where its quote never closes."""
    record = source.rest_of_wide_record()
    if not isinstance(record, bytearray):
        return record
    source.start_record()  # lets go of the lines
    for ending in (b"\n", b"\r"):
        if record.endswith(ending):
            del record[-1:]
    try:
        cells = _cells(record, form)
    except UnicodeDecodeError:
        shown = excerpt(record[:1000].decode("utf-8", "replace"))
        return Damage(f"it holds bytes that are not UTF-8{encoding_hint(record)}", shown)
    if cells is None:
        shown = excerpt(record[:1000].decode("utf-8", "replace"))
        return Damage("not valid CSV: a quoted field goes on after its quote", shown)
    del record
    return header.row(cells)


def _cells(record: bytearray, form: CsvForm) -> list[str] | None:
    """The fields of a record whose quotes are even; ``None`` where one goes on after its closing quote.

    Raises:
        UnicodeDecodeError: a field is not UTF-8.
    """
    delimiter = form.delimiter.encode()
    if not form.quoted:
        return [cell.decode() for cell in record.split(delimiter)]
    found: list[str] = []
    at = 0
    while True:
        while form.spaced and record.startswith(b" ", at):
            at += 1
        if record.startswith(b'"', at):
            end = record.find(b'"', at + 1)
            while end >= 0 and record.startswith(b'""', end):
                end = record.find(b'"', end + 2)
            if end < 0 or not (end + 1 == len(record) or record.startswith(delimiter, end + 1)):
                return None
            found.append(_field(record, at + 1, end))
            at = end + 1
        else:
            end = record.find(delimiter, at)
            end = len(record) if end < 0 else end
            found.append(_field(record, at, end))
            at = end
        if at >= len(record):
            return found
        at += 1


def _field(record: bytearray, begin: int, end: int) -> str:
    """The text of a field, whose bytes are copied only where it holds quotes."""
    if record.find(b'""', begin, end) >= 0:
        return record[begin:end].replace(b'""', b'"').decode()
    with memoryview(record) as view:
        return str(view[begin:end], "utf-8")


def _never_closes(where: str, first: int, last: int, before: int) -> str:
    return (
        f"{where}: the quote opened in the row at line {first} never closes, so the "
        f"{last - first + 1} lines from there to the "
        f"end cannot be distinguished. {before} rows before it are sound. Close that quote."
    )
