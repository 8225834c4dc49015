"""Where the next row of a damaged JSON text begins, and where a value ends, without parsing it."""

from __future__ import annotations

import json
import re

AFTER_OBJECT = re.compile(r"\}[ \t\r\n,]*(?=\{)")
FIRST_KEY = re.compile(r'\{\s*"([^"\\]{1,200})"\s*:')
KEYS = 64
"""Fields of the first row by which a row is recognised."""


def row_start(keys: frozenset[str]) -> re.Pattern[str] | None:
    """Where an object begins with one of these fields: in quotes, which is no place inside of a sound text,
    or, where an object ended before it, with quotes that are missing or wrong.
    """
    spellings = {
        json.dumps(key, ensure_ascii=ascii_)[1:-1] for key in sorted(keys)[:KEYS] for ascii_ in (True, False)
    }
    if not spellings:
        return None
    key = "(?:" + "|".join(re.escape(one) for one in sorted(spellings)) + ")"
    quote = "[\"'“”]?"
    return re.compile(
        rf'(?<![^,}}\]\[\s])(?P<sound>\{{)\s*"{key}"\s*:|\}}[ \t\r\n]*,[ \t\r\n]*(?P<odd>\{{)\s*{quote}{key}{quote}\s*[:=]'
    )


def row_at(match: re.Match[str]) -> int:
    """Where the object of a match of ``_row_start`` begins."""
    return match.start("sound") if match["sound"] else match.start("odd")


class Extent:
    """Finds where a value ends by its brackets and quotes alone, a piece of bytes at a time."""

    OUTSIDE, INSIDE = re.compile(rb'["{}\[\]]'), re.compile(rb'["\\]')

    def __init__(self) -> None:
        self._depth, self._text, self._skip = 0, False, 0

    def end(self, data: bytes | bytearray) -> int:
        """The place after the value in this piece, or -1 where it goes on."""
        at, self._skip = self._skip, 0
        while found := (self.INSIDE if self._text else self.OUTSIDE).search(data, at):
            at = found.end()
            sign = found[0]
            if sign == b"\\":
                at += 1
            elif sign == b'"':
                self._text = not self._text
            else:
                self._depth += 1 if sign in b"{[" else -1
            if self._depth <= 0 and not self._text:
                return at
        self._skip = max(0, at - len(data))
        return -1
