"""Reads lines of text files in chunks, and rows of JSON lines; a broken line is one rejected row.

A line ends at a line feed and nowhere else: U+2028 and U+0085 are text. No more of a line is
held than ``max_row`` bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import orjson

from handpicked.data.files import large
from handpicked.data.files.parsing import ROUNDED, decoded, parsed, too_large
from handpicked.data.files.raw import MAX_ROW, Damage, Raw, excerpt

CHUNK = 1 << 22
WHITE = b" \t\r\n\v\f"


@dataclass(frozen=True, slots=True)
class Oversized:
    """A line of more bytes than a row may have, which was not held: its size, its beginning, its quotes."""

    size: int
    head: bytes
    blank: bool
    quotes: int


class _Held:
    """The beginning of a line whose end is not read yet; no more of it than ``most`` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._clear()

    def _clear(self) -> None:
        self._data = bytearray()
        self.size, self._quotes, self._blank = 0, 0, True
        self._head = b""

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if self.size <= self._most:
            self._data += data
            return
        for part in (self._data, data):
            self._quotes += part.count(b'"')
            self._blank = self._blank and not part.strip(WHITE)
        self._head = self._head or bytes(self._data[:1000] + data[:1000])
        self._data = bytearray()

    def taken(self) -> bytes | bytearray | Oversized:
        """What was added, which is then forgotten."""
        over = self.size > self._most
        line = Oversized(self.size, self._head, self._blank, self._quotes) if over else self._data
        self._clear()
        return line


def line_chunks(
    stream: IO[bytes], start: int = 0, size: int | None = None, max_row: int = MAX_ROW
) -> Iterator[tuple[bytes | bytearray | Oversized, int]]:
    """Whole lines, about a chunk at a time, each with the byte offset of its end; a line
    beyond a chunk comes alone.

    ``size`` bounds the bytes read.
    """
    held = _Held(max_row)
    at, left = start, size
    while data := stream.read(CHUNK if left is None else min(CHUNK, left)):
        if left is not None:
            left -= len(data)
        first = data.find(b"\n") + 1
        if not first:
            held.add(data)
            continue
        if held.size:
            held.add(data[:first])
            at += held.size
            yield held.taken(), at
            data = data[first:]
        cut = data.rfind(b"\n") + 1
        if cut:
            at += cut
            yield data[:cut], at
        if cut < len(data):
            held.add(data[cut:])
    if held.size:
        at += held.size
        yield held.taken(), at


def json_lines(
    stream: IO[bytes], start: int = 0, line: int = 1, size: int | None = None, max_row: int = MAX_ROW
) -> Iterator[Raw]:
    """The rows of a JSON lines file from byte ``start``, where line number ``line``
    begins. Blank lines are not rows.
    """
    for chunk, end in line_chunks(stream, start, size, max_row):
        held = [chunk]
        del chunk  # neither a large line nor its row is kept here while the row is worked on
        following = line + (1 if isinstance(held[0], Oversized) else held[0].count(b"\n"))
        yield _run(held, line, end, following, max_row)
        line = following


def _run(held: list[bytes | bytearray | Oversized], line: int, end: int, following: int, max_row: int) -> Raw:
    """The rows of the one chunk that is ``held``, which is taken out of the list."""
    chunk = held.pop()
    if isinstance(chunk, Oversized):
        rows: list[object] = [] if chunk.blank else [too_large(chunk.size, max_row, chunk.head)]
        return Raw(rows, [line] * len(rows), end, following)
    return Raw(*_rows(chunk, line, max_row), end, following)


def _rows(chunk: bytes | bytearray, line: int, max_row: int) -> tuple[list[object], list[int]]:
    exact = ROUNDED.search(chunk) is not None
    parts = [chunk] if chunk.find(b"\n") in (-1, len(chunk) - 1) else chunk.split(b"\n")
    rows: list[object] = []
    lines: list[int] = []
    for number, part in enumerate(parts, line):
        if not part:
            continue
        row = too_large(len(part), max_row, part) if len(part) > max_row else json_row(part, exact)
        if row is not BLANK_LINE:
            rows.append(row)
            lines.append(number)
    return rows, lines


BLANK_LINE = object()


def json_row(part: bytes | bytearray, exact: bool) -> object:
    """The value of one line, ``Damage``, or ``BLANK_LINE``. ``exact``: it may hold an
    integer that orjson would round.
    """
    try:
        if len(part) > large.LARGE:
            return large.loads(part)
        if not exact:
            return orjson.loads(part)
    except ValueError:
        pass
    text = decoded(part)
    if isinstance(text, Damage):
        return text
    if text.isspace():
        return BLANK_LINE
    if not text.strip("\0 \t\r\n"):
        return Damage("the line holds only NUL bytes, as after a power failure", excerpt(text))
    return parsed(text.strip("\0"))


def count_lines(chunk: bytes | bytearray | Oversized) -> int:
    """How many lines are rows: those that are not blank (the same rule as ``json_lines``)."""
    if isinstance(chunk, Oversized):
        return int(not chunk.blank)
    count = 0
    for part in chunk.split(b"\n"):
        if part[:1] == b"{" or (part.strip() and not part.decode("utf-8", "replace").isspace()):
            count += 1
    return count
