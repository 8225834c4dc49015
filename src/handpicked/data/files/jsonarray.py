"""Streams a JSON array, or JSON objects one after the other, with little memory.

Damage costs the rows that are damaged and no others, each counted: reading goes on at the next object that
begins with a field of the rows before. Damage after which no row can be found, such as a download that was
cut, is an error that names the line and byte. The time is always linear in the size of the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from handpicked.data.files import buffer, large
from handpicked.data.files.buffer import WHOLE, Buffer, Place
from handpicked.data.files.parsing import (
    COMMA_THEN_END,
    DECODER,
    broken,
    encoding_hint,
    too_large,
    without_commas,
)
from handpicked.data.files.raw import MAX_ROW, Damage, Raw, excerpt
from handpicked.data.files.row_start import AFTER_OBJECT, FIRST_KEY, Extent, row_at, row_start
from handpicked.errors import PoolError

SEPARATOR = re.compile("[ \t\r\n,\0\ufeff]*")
NOT_UTF8 = re.compile("[\udc80-\udcff]")
WINDOWS = (1 << 12, 1 << 16)
CAREFUL = 1000
"""Rows after damage that are first looked at through a window."""


class _Fault(Exception):
    """Why no value can be parsed: ``cut`` says that only the buffer ends, ``at`` where
    in it the parser stumbled.

    ``begin`` is where in the buffer the text began that the parser saw.
    """

    def __init__(self, error: Exception, begin: int, cut: bool) -> None:
        self.cut = cut
        self.at: int | None = None
        self.reason = broken(error)
        if isinstance(error, json.JSONDecodeError):
            self.at, self.reason = begin + error.pos, f"not valid JSON: {error.msg}"


@dataclass
class _Broken:
    """A row that cannot be parsed: where it begins and why."""

    line: int
    byte: int
    reason: str
    excerpt: str


class Elements(Buffer):
    """The elements of one array, or of a part of one.

    ``array`` distinguishes brackets from bare objects; ``keys`` are the fields by which a row is known again
    after damage (those of the first row when empty). A row of more than ``max_row`` bytes is not held.
    """

    def __init__(
        self,
        stream: IO[bytes],
        where: str,
        *,
        array: bool,
        place: Place = WHOLE,
        keys: frozenset[str] = frozenset(),
        max_row: int = MAX_ROW,
    ) -> None:
        super().__init__(stream, place)
        self._where, self._array, self._whole = where, array, place.whole
        self._start = place.start
        self._closed = False
        self._broken: _Broken | None = None
        self._careful = 0
        self._rows_before = 0
        self._max_row = max_row
        self.keys = keys
        self._starts = row_start(keys)

    def read(self) -> Iterator[Raw]:
        """Runs of rows, about a chunk of text each."""
        self._more()
        if self._array and not self._start:  # a part that begins elsewhere has no opening bracket
            while "[" not in self._text and not self._ended:
                self._at = len(self._text)
                self._more()
            self._at = self._text.find("[") + 1
        while True:
            rows: list[object] = []
            lines: list[int] = []
            self._available(rows, lines)
            self._rows_before += len(rows)
            run = [Raw(rows, lines, self._byte(self._at), self._line_at(self._at))] if rows else []
            del rows, lines  # a large row is not kept here while it is worked on
            if run:
                yield run.pop()
            if self._closed or (self._ended and self._at >= len(self._text)):
                break
            self._more()
        self._check_end()

    def _available(self, rows: list[object], lines: list[int]) -> None:
        """Parse what the buffer holds completely."""
        while not self._closed:
            if self._broken is not None:
                if not self._resume(rows, lines):
                    return
                continue
            text = self._text
            begin = SEPARATOR.match(text, self._at).end()  # type: ignore[union-attr]
            if begin >= len(text):
                self._at = begin
                return
            if self._array and text[begin] == "]":
                self._at, self._closed = begin + 1, True
                return
            try:
                value, end = self._decode(begin)
            except _Fault as fault:
                if not self._ended and fault.cut:
                    self._at = begin
                    if len(text) - begin <= buffer.CHUNK:
                        return
                    self._large(rows, lines)
                    continue
                found = self._without_commas(begin, fault)
                if found is None:
                    self._break(begin, fault)
                    continue
                value, end = found
            if end == len(text) and not self._ended and not isinstance(value, dict | list):
                self._at = begin  # a number or a literal may go on
                return
            self._take(value, begin, end, rows, lines)

    def _decode(self, begin: int) -> tuple[object, int]:
        """The value at ``begin`` and its end. Raises _Fault.

        After damage it looks at a little text first: the parser's errors take time in proportion
        to what lies before them.
        """
        text = self._text
        if self._careful:
            self._careful -= 1
            for window in WINDOWS:
                if begin + window >= len(text):
                    break
                piece = text[begin : begin + window]
                try:
                    value, end = DECODER.raw_decode(piece)
                except (ValueError, RecursionError) as error:
                    if not _cut(error, piece):
                        raise _Fault(error, begin, cut=False) from None
                else:
                    if end < len(piece):
                        return value, begin + end
        try:
            return DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            raise _Fault(error, 0, cut=_cut(error, text)) from None

    def _take(self, value: object, begin: int, end: int, rows: list[object], lines: list[int]) -> None:
        rows.append(self._checked(value, begin, end))
        lines.append(self._line_at(begin))
        self._at = end

    def _checked(self, value: object, begin: int, end: int) -> object:
        if not self._clean and NOT_UTF8.search(self._text, begin, end):
            hint = encoding_hint(self._text[begin:end].encode("utf-8", "surrogateescape"))
            return Damage(
                f"it holds bytes that are not UTF-8{hint}", excerpt(self._text[begin : begin + 200])
            )
        if 4 * (end - begin) > self._max_row:
            size = len(self._text[begin:end].encode("utf-8", "surrogatepass"))
            if size > self._max_row:
                return too_large(
                    size, self._max_row, self._text[begin : begin + 400].encode("utf-8", "replace")
                )
        self._learn(value)
        return value

    def _learn(self, value: object) -> None:
        if not self.keys and isinstance(value, dict):
            self.keys = frozenset(value)
            self._starts = row_start(self.keys)

    def _without_commas(self, begin: int, fault: _Fault) -> tuple[object, int] | None:
        """The row at ``begin`` and its end, if all that is wrong with it is a comma before a closing bracket."""
        if fault.at is None or not COMMA_THEN_END.match(self._text, fault.at):
            return None
        following = None if self._starts is None else self._starts.search(self._text, begin + 1)
        row = self._text[
            begin : row_at(following) if following else min(len(self._text), begin + buffer.CHUNK)
        ]
        try:
            value, end = DECODER.raw_decode(without_commas(row))
        except (ValueError, RecursionError):
            return None
        return value, begin + end

    def _break(self, begin: int, fault: _Fault) -> None:
        line = self._line_at(begin)
        reason = fault.reason
        if fault.at is not None:
            reason += f" in line {line + self._text.count(chr(10), begin, fault.at)}"
        self._broken = _Broken(line, self._byte(begin), reason, excerpt(self._text[begin : begin + 200]))
        self._careful = CAREFUL
        if self._starts is None:
            first = FIRST_KEY.match(self._text, begin)
            self._starts = row_start(frozenset([first[1]])) if first else None
        self._at = begin + 1

    def _resume(self, rows: list[object], lines: list[int]) -> bool:
        """Find the next row after a broken one, which may be broken too. False when more text is needed."""
        text = self._text
        for match in (self._starts or AFTER_OBJECT).finditer(text, self._at):
            begin = row_at(match) if self._starts else match.end()
            try:
                row, _ = self._decode(begin)
            except _Fault as fault:
                if not self._ended and fault.cut and len(text) - begin <= buffer.CHUNK:
                    self._at = match.start()
                    return False
                if self._starts is None and not fault.cut:
                    continue  # it may lie inside the broken row
                return self._mend(rows, lines, begin)
            if not self.keys or (isinstance(row, dict) and len(self.keys & row.keys()) * 2 >= len(self.keys)):
                return self._mend(rows, lines, begin)
        if self._ended:
            return self._mend_last(rows, lines)
        self._at = max(self._at, len(text) - 4096)
        return False

    def _mend_last(self, rows: list[object], lines: list[int]) -> bool:
        """The broken row is the last one, if the file ends as it should."""
        broken, text = self._broken, self._text
        assert broken is not None
        end = text.rstrip(" \t\r\n,\0")
        closed = end.endswith("]")
        end = end.removesuffix("]").rstrip(" \t\r\n,")
        if end.endswith("}") and len(end) > self._at and closed == self._array:
            return self._mend(rows, lines, len(end))
        raise PoolError(
            f"{self._where}: {broken.reason}; the row begins in line {broken.line} (byte "
            f"{broken.byte}) and no further "
            f"row is found after it. {self._rows_before + len(rows)} rows before it "
            "are sound. Is the file complete?"
        )

    def _mend(self, rows: list[object], lines: list[int], end: int) -> bool:
        assert self._broken is not None
        rows.append(Damage(self._broken.reason, self._broken.excerpt))
        lines.append(self._broken.line)
        self._broken, self._at = None, end
        return True

    def _large(self, rows: list[object], lines: list[int]) -> None:
        """Read the row that begins here and outgrew a chunk, as bytes. Where it is damaged it
        becomes the buffer's text.
        """
        begin, line = self._byte(self._at), self._line_at(self._at)
        data = bytearray(self._text[self._at :].encode("utf-8", "surrogateescape"))
        data += self._decoder.getstate()[0]
        self._text, self._at, self._counted, self._measured = "", 0, 0, 0
        extent = Extent()
        size, newlines, head = 0, 0, b""
        piece: bytes | bytearray = data
        while (end := extent.end(piece)) < 0:
            size += len(piece)
            newlines += piece.count(b"\n")
            piece = self._bytes(buffer.CHUNK)
            if not piece:
                break
            if head:
                continue
            data += piece
            if len(data) > self._max_row:
                if not _goes_on(data):
                    self._buffer(data, begin)
                    return
                head, data = bytes(data[:1000]), bytearray()
        if end < 0:
            self._ended = True
            if not head:
                self._buffer(data, begin)
                return
            raise PoolError(
                f"{self._where}: the row that begins in line {line} (byte {begin}) has no end. "
                f"{self._rows_before + len(rows)} rows before it are sound. Is the file complete?"
            )
        rest = bytes(piece[end:])
        newlines += piece.count(b"\n", 0, end)
        size += end
        del piece
        if not head:
            del data[size:]
            row = self._row_of(data)
            if row is BROKEN:
                self._buffer(data + rest, begin, complete=True)
                return
            del data
        else:
            row = too_large(size, self._max_row, head)
        rows.append(row)
        lines.append(line)
        self._base, self._line = begin + size, line + newlines
        self._decode_anew(rest)

    def _row_of(self, data: bytearray) -> object:
        """The value of these bytes, ``Damage``, or ``BROKEN``."""
        if len(data) > self._max_row:
            return too_large(len(data), self._max_row, data)
        try:
            value = large.loads(data)
        except ValueError:
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError:
                return BROKEN
            try:
                value = DECODER.decode(text)
            except (ValueError, RecursionError):
                return BROKEN
        self._learn(value)
        return value

    def _buffer(self, data: bytearray, begin: int, complete: bool = False) -> None:
        """Take these bytes as text, and break there if they are damaged: so they are if they are
        ``complete`` and no JSON.
        """
        self._base = begin
        self._decode_anew(data)
        try:
            self._decode(0)
        except _Fault as fault:
            if complete or self._ended or not fault.cut:
                self._break(0, fault)

    def _check_end(self) -> None:
        if not (self._whole and self._array):
            return
        if not self._closed:
            raise PoolError(
                f"{self._where}: the closing bracket of the list is missing after {self._rows_before} rows "
                f"(byte {self._byte(self._at)}). Is the file complete?"
            )
        while not self._text[self._at :].strip(" \t\r\n,\0") and not self._ended:
            self._at = len(self._text)
            self._more()
        rest = self._text[self._at :].strip(" \t\r\n,\0")
        if rest:
            raise PoolError(
                f"{self._where}: there is text after the closing bracket of the list, in "
                f"line {self._line_at(self._at)} "
                f"(byte {self._byte(self._at)}): {excerpt(rest)[:60]!r}. One file holds one list."
            )


BROKEN = object()


def _goes_on(data: bytearray) -> bool:
    """Whether a value that outgrew the limit is sound so far: no damage made it swallow what follows."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        DECODER.raw_decode(text)
    except (ValueError, RecursionError) as error:
        return _cut(error, text)
    return False


def _cut(error: Exception, text: str) -> bool:
    """Whether the parser failed because the buffer ends, not because the text is wrong."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - 12
