"""A JSON array (or objects one after the other) read as a stream: memory holds one chunk, or one row if that is larger.

Damage in the middle costs one rejected row: reading goes on at the next object that looks like the rows before. Damage
after which no row can be found, such as a download that was cut, is an error that names the line and byte.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from handpicked.data.raw import Damage, Raw, excerpt
from handpicked.errors import PoolError

CHUNK = 1 << 22
SEPARATOR = re.compile("[ \t\r\n,﻿]*")
NEXT_OBJECT = re.compile(r"\}[ \t\r\n]*,?[ \t\r\n]*(?=\{)")
LAST_OBJECT = re.compile(r"\}[ \t\r\n,]*(\]?)[ \t\r\n]*\Z")
NOT_UTF8 = re.compile("[\udc80-\udcff]")
DECODER = json.JSONDecoder(strict=False)


@dataclass
class _Broken:
    """A row that cannot be parsed: where it begins and why."""

    line: int
    byte: int
    reason: str
    excerpt: str


class Elements:
    """The elements of one array, or of a part of one that begins between two elements.

    ``array`` tells brackets from bare objects; ``whole`` is false for a part; ``keys`` are the fields by which a row is
    known again after damage (those of the first row when empty).
    """

    def __init__(
        self,
        stream: IO[bytes],
        where: str,
        *,
        array: bool,
        whole: bool,
        start: int = 0,
        line: int = 1,
        size: int | None = None,
        keys: frozenset[str] = frozenset(),
    ) -> None:
        self._stream, self._where, self._array, self._whole = stream, where, array, whole
        self._left = size
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._text, self._at, self._base = "", 0, start
        self._line, self._counted = line, 0
        self._ended = self._closed = False
        self._clean = True
        self._broken: _Broken | None = None
        self._rows_before = 0
        self.keys = keys

    def read(self) -> Iterator[Raw]:
        """Runs of rows, about a chunk of text each."""
        self._more()
        if self._array and not self._base:  # a part that begins elsewhere has no opening bracket
            self._at = self._text.index("[") + 1
        while True:
            rows: list[Any] = []
            lines: list[int] = []
            self._available(rows, lines)
            if rows:
                self._rows_before += len(rows)
                yield Raw(rows, lines, self._byte(self._at), self._line_at(self._at))
            if self._closed or (self._ended and self._at >= len(self._text)):
                break
            self._more()
        self._check_end()

    def _available(self, rows: list[Any], lines: list[int]) -> None:
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
                value, end = DECODER.raw_decode(text, begin)
            except (ValueError, RecursionError) as error:
                if not self._ended and _cut(error, text):
                    self._at = begin
                    return
                self._break(begin, error)
                continue
            if end == len(text) and not self._ended and not isinstance(value, dict | list):
                self._at = begin  # a number or a literal may go on
                return
            rows.append(self._checked(value, begin, end))
            lines.append(self._line_at(begin))
            self._at = end

    def _checked(self, value: Any, begin: int, end: int) -> Any:
        if not self._clean and NOT_UTF8.search(self._text, begin, end):
            return Damage("it holds bytes that are not UTF-8", excerpt(self._text[begin : begin + 200]))
        if not self.keys and isinstance(value, dict):
            self.keys = frozenset(value)
        return value

    def _break(self, begin: int, error: Exception) -> None:
        reason = (
            f"not valid JSON: {error.msg}"
            if isinstance(error, json.JSONDecodeError)
            else f"not valid JSON: {error}"
        )
        if isinstance(error, RecursionError):
            reason = "nested too deeply"
        line = self._line_at(begin)
        if isinstance(error, json.JSONDecodeError):
            reason += f" in line {line + self._text.count(chr(10), begin, error.pos)}"
        self._broken = _Broken(line, self._byte(begin), reason, excerpt(self._text[begin : begin + 200]))
        self._at = begin

    def _resume(self, rows: list[Any], lines: list[int]) -> bool:
        """Find the next row after a broken one. False when more text is needed (or there is no more)."""
        broken, text = self._broken, self._text
        assert broken is not None
        for match in NEXT_OBJECT.finditer(text, self._at):
            try:
                value, _ = DECODER.raw_decode(text, match.end())
            except (ValueError, RecursionError) as error:
                if not self._ended and _cut(error, text):
                    self._at = match.start()
                    return False
                continue
            if not self.keys or len(self.keys & value.keys()) * 2 >= len(self.keys):
                return self._mend(rows, lines, match.start() + 1)
        if self._ended:
            last = LAST_OBJECT.search(text, self._at)
            if last and bool(last.group(1)) == self._array:
                return self._mend(rows, lines, last.start() + 1)
            raise PoolError(
                f"{self._where}: {broken.reason}; the row begins in line {broken.line} (byte {broken.byte}) and no further "
                f"row is found after it. {self._rows_before + len(rows)} rows before it are sound. Is the file complete?"
            )
        self._at = max(self._at, len(text) - 4096)
        return False

    def _mend(self, rows: list[Any], lines: list[int], end: int) -> bool:
        assert self._broken is not None
        rows.append(Damage(self._broken.reason, self._broken.excerpt))
        lines.append(self._broken.line)
        self._broken, self._at = None, end
        return True

    def _check_end(self) -> None:
        if not (self._whole and self._array):
            return
        if not self._closed:
            raise PoolError(
                f"{self._where}: the closing bracket of the list is missing after {self._rows_before} rows "
                f"(byte {self._byte(self._at)}). Is the file complete?"
            )
        while not self._text[self._at :].strip(" \t\r\n,\0") and not self._ended:
            self._more()
        rest = self._text[self._at :].strip(" \t\r\n,\0")
        if rest:
            raise PoolError(
                f"{self._where}: there is text after the closing bracket of the list, in line {self._line_at(self._at)} "
                f"(byte {self._byte(self._at)}): {excerpt(rest)[:60]!r}. One file holds one list."
            )

    def _more(self) -> None:
        """Drop what is parsed, and read at least as much again as is left (so a large row is retried few times)."""
        self._line_at(self._at)
        self._base = self._byte(self._at)
        kept = self._text[self._at :]
        want = max(CHUNK, len(kept))
        data = self._stream.read(want if self._left is None else min(want, self._left))
        if self._left is not None:
            self._left -= len(data)
        self._ended = not data
        added = self._decode(data, final=self._ended)
        self._text, self._at, self._counted = kept + added, 0, 0
        self._clean = (self._clean or not kept) and _encodable(added)

    def _byte(self, at: int) -> int:
        """The byte offset in the file of a position in the buffer."""
        text = self._text[:at]
        return self._base + (at if text.isascii() else len(text.encode("utf-8", "surrogateescape")))

    def _line_at(self, at: int) -> int:
        if at > self._counted:
            self._line += self._text.count("\n", self._counted, at)
            self._counted = at
        return self._line


def _cut(error: Exception, text: str) -> bool:
    """Whether the parser failed because the buffer ends, not because the text is wrong."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - 12


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
