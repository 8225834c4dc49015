"""Raw rows of a container, before their fields have a meaning."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

EXCERPT = 200
MAX_ROW = 256 << 20
"""Bytes that one row of a text file may have, unless the user says otherwise."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What stands in a row's place when its text cannot be parsed."""

    reason: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """A run of consecutive rows of one file. ``lines`` are their line numbers (or row numbers
    where there are no lines).

    A row is an object (dict), any other JSON value, or ``Damage``. ``end`` is the byte after the run and
    ``end_line`` the line it is in, where the container knows them.
    """

    rows: Sequence[Any]
    lines: Sequence[int]
    end: int = 0
    end_line: int = 0


def between(rows: Sequence[int], first: int, end: int) -> Sequence[int]:
    """Of ascending row numbers those from ``first`` up to ``end`` (exclusive)."""
    return rows[bisect_left(rows, first) : bisect_left(rows, end)]


def excerpt(text: str) -> str:
    """The beginning of a text, safe to write as UTF-8."""
    return text[:EXCERPT].encode("utf-8", "replace").decode("utf-8")
