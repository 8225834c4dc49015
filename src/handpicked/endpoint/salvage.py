"""Recovers replies from a damaged cache by reading its pages one by one, without SQLite.

The table ``replies`` is WITHOUT ROWID, so its rows lie in the pages of an index B-tree (types 2 and 10 of the
SQLite file format, https://www.sqlite.org/fileformat2.html, sections 1.6 and 2.1). A page that is damaged
takes its own rows with it and no others, wherever it was in the tree. Rows that had not left the
write-ahead log are read from there.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

HEADERS = {2: 12, 10: 8}
"""Bytes of a page's header, by its type: inner page, leaf."""
KEY = re.compile(rb"[0-9a-f]{32}")
USUAL_PAGE = 4096
WAL_HEADER, FRAME_HEADER = 32, 24

Page = Callable[[int], bytes]


def salvaged(path: Path) -> Iterator[tuple[str, str]]:
    """Key and reply (JSON text) of every row that is whole in the SQLite file ``path``
    and in its write-ahead log.
    """
    data = path.read_bytes()
    size = _page_size(data)
    log = path.with_name(f"{path.name}-wal")
    frames = log.read_bytes()[WAL_HEADER:] if log.is_file() else b""
    latest = {}
    for at in range(0, len(frames) - FRAME_HEADER - size + 1, FRAME_HEADER + size):
        (number,) = struct.unpack_from(">I", frames, at)
        latest[number] = frames[at + FRAME_HEADER : at + FRAME_HEADER + size]

    def page(number: int) -> bytes:
        return latest.get(number) or data[(number - 1) * size : number * size]

    for number in sorted({*range(2, len(data) // size + 1), *latest}):
        yield from _rows(page(number), page, size)


def _page_size(data: bytes) -> int:
    size = int.from_bytes(data[16:18], "big")
    return size if 512 <= size <= 32768 and size & (size - 1) == 0 else USUAL_PAGE


def _rows(content: bytes, page: Page, size: int) -> Iterator[tuple[str, str]]:
    header = HEADERS.get(content[0]) if content else None
    if header is None:
        return
    count = int.from_bytes(content[3:5], "big")
    for number in range(min(count, size // 4)):
        at = int.from_bytes(content[header + 2 * number : header + 2 * number + 2], "big")
        try:
            found = _row(_payload(content, at + (4 if header == 12 else 0), page, size))
        except (IndexError, ValueError, RecursionError):
            continue
        if found is not None:
            yield found


def _payload(content: bytes, at: int, page: Page, size: int) -> bytes:
    """The record of a cell, of which a long one goes on in other pages. Raises
    ValueError where it is not whole.
    """
    length, at = _varint(content, at)
    most, least = (size - 12) * 64 // 255 - 23, (size - 12) * 32 // 255 - 23
    if length <= most:
        here = content[at : at + length]
    else:
        spread = least + (length - least) % (size - 4)
        local = spread if spread <= most else least
        here = content[at : at + local]
        following = int.from_bytes(content[at + local : at + local + 4], "big")
        while len(here) < length and following:
            more = page(following)
            here += more[4 : 4 + length - len(here)]
            following = int.from_bytes(more[:4], "big")
            if len(more) < size:
                break
    if len(here) != length:
        raise ValueError("cut short")
    return here


def _row(record: bytes) -> tuple[str, str] | None:
    """The two texts of a record, where they are a key and a JSON object."""
    end, at = _varint(record, 0)
    lengths = []
    while at < end:
        kind, at = _varint(record, at)
        lengths.append((kind - 13) // 2 if kind >= 13 and kind % 2 else -1)
    if len(lengths) != 2 or min(lengths) < 0 or end + sum(lengths) != len(record):
        return None
    key, reply = record[end : end + lengths[0]], record[end + lengths[0] :].decode("utf-8")
    if not KEY.fullmatch(key) or not isinstance(json.loads(reply), dict):
        return None
    return key.decode("ascii"), reply


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """SQLite's variable-length integer at ``at``, and where it ends."""
    value = 0
    for _ in range(8):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    return value << 8 | data[at], at + 1
