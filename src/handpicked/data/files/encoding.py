"""Text files that are not UTF-8, read as if they were: UTF-16 and UTF-32 by their
first bytes, others by name.
"""

from __future__ import annotations

import codecs
import io
from typing import IO, Any, cast

from handpicked.errors import PoolError

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; that of UTF-32 begins with that of UTF-16."""
PIECE = 1 << 20


def encoding_of(head: bytes) -> str | None:
    """The encoding that the beginning of a text shows; None for UTF-8 and where it shows none."""
    marked = next((name for mark, name in MARKS if head.startswith(mark)), None)
    return marked or _without_mark(head)


def _without_mark(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of text in Latin letters is 0."""
    letters = head[:4096]
    first, second = letters[0::2].count(0), letters[1::2].count(0)
    rare, often = sorted((first, second))
    if rare * 20 > often or often * 5 < len(letters) or len(letters) < 8:
        return None
    return "utf-16-le" if second > first else "utf-16-be"


def known_encoding(name: str) -> str | None:
    """The encoding that the user names, by its usual name; None for UTF-8. Raises PoolError for none of text."""
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True):
        raise PoolError(
            f"encoding: '{name}' is not an encoding of text; such are utf-8, utf-16, windows-1252, gb18030"
        )
    return None if found.name in ("utf-8", "utf-8-sig", "ascii") else found.name


def as_utf8(stream: IO[bytes], encoding: str | None) -> IO[bytes]:
    """The bytes of a text in ``encoding`` as UTF-8. Reading raises OSError at bytes
    that the encoding has not.
    """
    if encoding is None:
        return stream
    return cast("IO[bytes]", io.BufferedReader(_Utf8(stream, encoding), PIECE))


class _Utf8(io.RawIOBase):
    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream, self._encoding = stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""
        self._over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._over:
            piece = self._stream.read(PIECE)
            self._over = not piece
            try:
                self._ready = self._decoder.decode(piece, self._over).encode()
            except UnicodeError as error:
                raise OSError(
                    f"it is not {self._encoding} throughout: {getattr(error, 'reason', error)}"
                ) from error
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def close(self) -> None:
        self._stream.close()
        super().close()
