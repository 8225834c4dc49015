"""Writes a subset: the original rows, or the shape that a trainer needs.

Rows are written in pool order to a file aside, which takes its name only when it is whole.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpicked.data.files import large
from handpicked.data.shapes import SHAPES, carried
from handpicked.data.written_tables import (
    one_schema,
    original_tables,
    tables_of,
    write_datasets,
    write_parquet,
)
from handpicked.errors import PoolError, did_you_mean
from handpicked.records import AtHand
from handpicked.store import writing

if TYPE_CHECKING:
    from handpicked.data.pool import FilePool

CONTAINERS = ("jsonl", "parquet", "datasets")


def write(
    pool: FilePool,
    rows: Sequence[int],
    out: Path,
    format: str = "original",
    container: str | None = None,
    at_hand: AtHand | None = None,
) -> Path:
    """Write these rows (ascending) of a pool below ``out`` and return the file (or, for
    ``datasets``, the folder).

    ``format``: ``original`` (the rows and fields as they came), ``alpaca``, ``sharegpt``, ``messages`` or
    ``trl`` (conversational prompt and completion). ``container``: ``jsonl``, ``parquet`` or ``datasets``; by
    default Parquet for original rows of a pool whose files are all Parquet or Arrow, else JSON lines. Raises
    StoreError when ``out`` cannot be written; nothing half-written stays there.
    """
    if format != "original" and format not in SHAPES:
        raise PoolError(f"format '{format}' cannot be written.{did_you_mean(format, ('original', *SHAPES))}")
    columnar = pool.columnar
    if container is None:
        container = "parquet" if columnar and format == "original" and one_schema(pool) else "jsonl"
    if container not in CONTAINERS:
        raise PoolError(f"container '{container}' cannot be written.{did_you_mean(container, CONTAINERS)}")
    if container == "jsonl":
        with aside(out, "selected.jsonl") as path:
            _json_lines(path, _shaped(pool, rows, format))
        return out / "selected.jsonl"
    tables = (
        original_tables(pool, rows, at_hand)
        if columnar and format == "original"
        else tables_of(_shaped(pool, rows, format))
    )
    if container == "parquet":
        with aside(out, "selected.parquet") as path:
            write_parquet(path, tables, pool, columnar and format == "original")
        return out / "selected.parquet"
    with aside(out, "selected") as path:
        write_datasets(path, tables, pool, columnar and format == "original")
    return out / "selected"


@contextmanager
def aside(folder: Path, name: str) -> Iterator[Path]:
    """A path beside ``folder/name`` that takes its place when the block ends well, and is
    removed when it does not.

    Raises StoreError where the disk refuses.
    """
    temporary = folder / f".{name}.{os.getpid()}.part"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
            temporary.replace(folder / name)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            temporary.unlink(missing_ok=True)


def _shaped(pool: FilePool, rows: Sequence[int], format: str) -> Iterator[Mapping[str, object]]:
    """The rows as JSON objects: the originals, or converted."""
    count = 0
    understood = frozenset(field for file in pool.files for field in file.reading.format.fields)
    for example in pool.examples(rows):
        count += 1
        if format == "original":
            yield example.original
        else:
            yield {**SHAPES[format](example), **carried(example, understood)}
        del example
    if count != len(rows):
        raise PoolError(
            f"{len(rows) - count} of the {len(rows)} rows to write cannot be read; write only readable rows"
        )


def _json_lines(path: Path, rows: Iterator[Mapping[str, object]]) -> None:
    with path.open("wb") as file:
        for row in rows:
            if large.is_long(row):
                file.writelines(large.pieces(row, json_line))
            else:
                file.write(json_line(row))
            file.write(b"\n")
            del row  # a large row is not kept while the next one is read
        file.flush()
        os.fsync(file.fileno())


def _plain(value: object) -> Any:
    """What JSON has no form for, as text: dates and decimals by their usual spelling, bytes in hexadecimal."""
    return value.hex() if isinstance(value, bytes) else str(value)


def json_line(row: object, plain: Callable[[object], object] = _plain) -> bytes:
    """A row as JSON that every reader takes: NaN and infinity, which JSON has not, are null. ``plain`` makes
    values that JSON has no form for ones that it has.
    """
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False, default=plain)
    except ValueError:
        text = json.dumps(finite(row), ensure_ascii=False, default=plain)
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate: only its escape can be written
        return json.dumps(finite(row), default=plain).encode()


def finite(value: object) -> object:
    """The value with null for every number that is none."""
    if isinstance(value, Mapping):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
