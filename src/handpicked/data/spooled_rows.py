"""Writes rows that come from Python objects to the file that they are read from."""

from __future__ import annotations

import datetime
import decimal
import enum
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from handpicked.data import arrowtypes
from handpicked.data.files.columnar import BATCH_BYTES, ROWS
from handpicked.data.write import finite, json_line
from handpicked.errors import PoolError, first_line
from handpicked.records import Example

AS_TEXT = (
    *(datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID, os.PathLike, enum.Enum),
)
"""Values that JSON has no form for and that are their text."""
Item = TypeVar("Item")


def write_json_rows(file: Path, rows: Iterable[object], name: str) -> Path:
    """Write rows as JSON lines; what is not a dictionary is left for the reader to reject. An Example is its
    original row.

    Raises PoolError where ``rows`` (called ``name``) fails, holds nothing, or a row holds what no file can.
    """
    count = 0
    with file.open("xb") as sink:
        for row in until_it_fails(rows, name):
            count += 1
            try:
                sink.write(json_line(row.original if isinstance(row, Example) else row, _plain) + b"\n")
            except (TypeError, ValueError, RecursionError) as error:
                raise PoolError(
                    f"{name}, row {count:,}: {first_line(error)}; no file can hold it. Leave that field out."
                ) from error
    if not count:
        raise PoolError(f"{name} is empty: there are no rows to read")
    return file


def write_tables(file: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], name: str) -> Path:
    """Write batches as an Arrow file, in pieces of which several can be read at once.

    Raises PoolError where ``batches`` (called ``name``) fail.
    """
    options = pa.ipc.IpcWriteOptions(unify_dictionaries=True)
    held = until_it_fails(batches, name, rows=lambda batch: batch.num_rows)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as writer:
        if any(pa.types.is_dictionary(type_) for type_ in schema.types):  # one dictionary for all batches
            writer.write_table(pa.Table.from_batches(list(held), schema), max_chunksize=ROWS)
            return file
        for batch in held:
            size = max(1, min(ROWS, BATCH_BYTES * batch.num_rows // max(arrowtypes.size_of(batch), 1)))
            for begin in range(0, batch.num_rows, size):
                writer.write_batch(batch.slice(begin, size))
    return file


def until_it_fails(
    items: Iterable[Item], name: str, rows: Callable[[Item], int] = lambda _: 1
) -> Iterator[Item]:
    """The items of the user's own iterable; what it raises becomes a PoolError that says after how many rows.

    ``rows`` counts those of an item.
    """
    count = 0
    iterator = iter(items)
    while True:
        try:
            item = next(iterator)
        except StopIteration:
            return
        except Exception as error:
            why = first_line(error).partition(". Detail: Python exception")[0]  # Arrow adds a traceback
            raise PoolError(
                f"{name} failed after {count:,} rows: {type(error).__name__}: {why}. A pool is read whole or "
                "not at all, so nothing was kept."
            ) from error
        yield item
        count += rows(item)


def _plain(value: object) -> Any:
    """A value that JSON has no form for as one that it has. Raises TypeError for one that has none."""
    if hasattr(value, "tolist"):  # of NumPy, Arrow or torch
        return finite(value.tolist())
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if _is_no_value(value):
        return None
    if isinstance(value, AS_TEXT):
        return str(value.value if isinstance(value, enum.Enum) else value)
    raise TypeError(f"a value of type {type(value).__name__} is none that JSON has")


def _is_no_value(value: object) -> bool:
    """Whether it is pandas' NA or NaT, which are not equal to themselves."""
    try:
        return not bool(value == value)
    except (TypeError, ValueError):
        return type(value).__name__ == "NAType"
