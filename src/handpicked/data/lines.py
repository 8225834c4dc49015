"""Text files whose rows are lines: JSON lines and CSV. A line that cannot be parsed is one damaged row."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from typing import IO, Any

from handpicked.data.raw import Damage, Raw, excerpt
from handpicked.errors import PoolError

CHUNK = 1 << 22
DECODER = json.JSONDecoder(strict=False)


def line_chunks(stream: IO[bytes], start: int = 0, size: int | None = None) -> Iterator[tuple[bytes, int]]:
    """Whole lines, about a chunk at a time, each with the byte offset of its end. ``size`` bounds the bytes read."""
    parts: list[bytes] = []
    at, left = start, size
    while data := stream.read(CHUNK if left is None else min(CHUNK, left)):
        if left is not None:
            left -= len(data)
        cut = data.rfind(b"\n") + 1
        if not cut:
            parts.append(data)
            continue
        chunk = b"".join((*parts, data[:cut]))
        at += len(chunk)
        yield chunk, at
        parts = [data[cut:]] if cut < len(data) else []
    if parts:
        chunk = b"".join(parts)
        yield chunk, at + len(chunk)


def json_lines(stream: IO[bytes], start: int = 0, line: int = 1, size: int | None = None) -> Iterator[Raw]:
    """The rows of a JSON lines file from byte ``start``, where line number ``line`` begins. Blank lines are no rows."""
    for chunk, end in line_chunks(stream, start, size):
        texts: list[Any]
        try:
            texts = chunk.decode("utf-8").split("\n")
        except UnicodeDecodeError:
            texts = [_decoded(part) for part in chunk.split(b"\n")]
        rows: list[Any] = []
        lines: list[int] = []
        for number, text in enumerate(texts, line):
            if isinstance(text, Damage):
                rows.append(text)
            elif text and not text.isspace():
                rows.append(_parsed(text))
            else:
                continue
            lines.append(number)
        line += chunk.count(b"\n")
        yield Raw(rows, lines, end, line)


def count_lines(chunk: bytes) -> int:
    """How many lines are rows: those that are not blank (the same rule as ``json_lines``)."""
    count = 0
    for part in chunk.split(b"\n"):
        if part[:1] == b"{" or (part.strip() and not _blank(part)):
            count += 1
    return count


def csv_rows(stream: IO[bytes], where: str, delimiter: str) -> Iterator[Raw]:
    """The rows of a CSV file with a header. A row with too many or too few fields is damaged; blank lines are no rows."""
    csv.field_size_limit(sys.maxsize)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise PoolError(f"{where}: the CSV header cannot be parsed: {error}") from error
    twice = next((name for index, name in enumerate(header) if name in header[:index]), None)
    if twice is not None:
        raise PoolError(
            f"{where}: the CSV header names the column '{twice}' twice; give each column its own name"
        )
    rows: list[Any] = []
    lines: list[int] = []
    held, before = 0, 0
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise PoolError(
                    f"{where}: the quote opened in the row at line {first} never closes, so the "
                    f"{reader.line_num - first + 1} lines from there to the end cannot be told apart. "
                    f"{before + len(rows)} rows before it are sound. Close that quote."
                ) from error
            rows.append(Damage(f"not valid CSV: {error}"))
            lines.append(first)
            continue
        if not cells:
            continue
        rows.append(_row(header, cells))
        lines.append(first)
        held += sum(map(len, cells))
        if held >= CHUNK:
            yield Raw(rows, lines)
            before += len(rows)
            rows, lines, held = [], [], 0
    yield Raw(rows, lines)


def _row(header: list[str], cells: list[str]) -> Any:
    if len(cells) != len(header):
        return Damage(f"{len(cells)} fields where the header has {len(header)}", excerpt(",".join(cells)))
    row = dict(zip(header, cells, strict=True))
    for cell in cells:
        if not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell):
            return Damage("it holds bytes that are not UTF-8", excerpt(",".join(cells)))
    return row


def _parsed(text: str) -> Any:
    try:
        return DECODER.decode(text.removeprefix("﻿"))
    except json.JSONDecodeError as error:
        return Damage(f"not valid JSON: {error.msg} at column {error.colno}", excerpt(text))
    except ValueError as error:
        return Damage(f"not valid JSON: {error}", excerpt(text))
    except RecursionError:
        return Damage("nested too deeply", excerpt(text))


def _decoded(part: bytes) -> Any:
    try:
        return part.decode("utf-8")
    except UnicodeDecodeError as error:
        return Damage(f"not UTF-8 at its byte {error.start}", excerpt(part.decode("utf-8", "replace")))


def _blank(part: bytes) -> bool:
    return part.decode("utf-8", "replace").isspace()
