"""The text of a stream that is at hand, which moves forward and knows the byte and the line of each place in it."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import IO

CHUNK = 1 << 22


@dataclass(frozen=True)
class Place:
    """Where a part of an array lies that begins between two elements: at the byte ``start`` in ``line``, of
    ``size`` bytes (``None``: to the end of the file).
    """

    start: int = 0
    line: int = 1
    size: int | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all of the file."""
        return self.start == 0 and self.size is None


WHOLE = Place()


class Buffer:
    """A part of the text of a stream: ``_text`` up to its end or to that of what was read, and ``_at``, before
    which it is done with.

    ``_ended`` says that the stream has no more; ``_clean``, that all of the text was UTF-8.
    """

    def __init__(self, stream: IO[bytes], place: Place) -> None:
        self._stream, self._left = stream, place.size
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._at, self._base = "", 0, place.start
        self._line, self._counted, self._measured = place.line, 0, 0
        self._ended = False
        self._clean = True

    def _more(self) -> None:
        """Drop what is parsed, and read at least as much again as is left (so that it is retried few times)."""
        self._line_at(self._at)
        self._base = self._byte(self._at)
        kept = self._text[self._at :]
        data = self._bytes(max(CHUNK, len(kept)))
        self._ended = not data
        added = self._decoder.decode(data, final=self._ended)
        self._text = kept + added
        self._at, self._counted, self._measured = 0, 0, 0
        self._clean = (self._clean or not kept) and _encodable(added)

    def _bytes(self, want: int) -> bytes:
        data = self._stream.read(want if self._left is None else min(want, self._left))
        if self._left is not None:
            self._left -= len(data)
        return data

    def _byte(self, at: int) -> int:
        """The byte offset in the file of a position in the buffer; counted on from
        where it was last requested.
        """
        begin, end = sorted((self._measured, at))
        part = self._text[begin:end]
        size = len(part) if part.isascii() else len(part.encode("utf-8", "surrogateescape"))
        self._base += size if at >= self._measured else -size
        self._measured = at
        return self._base

    def _line_at(self, at: int) -> int:
        if at > self._counted:
            self._line += self._text.count("\n", self._counted, at)
            self._counted = at
        return self._line

    def _decode_anew(self, data: bytes | bytearray) -> None:
        self._decoder.reset()
        self._text = self._decoder.decode(data, final=self._ended)
        self._at, self._counted, self._measured = 0, 0, 0
        self._clean = _encodable(self._text)


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
