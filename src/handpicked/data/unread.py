"""What the rows of a pool hold that is not part of the conversation: counted by name, so that
nothing is dropped in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from handpicked.data import copies
from handpicked.data.batch import Reading
from handpicked.data.files.columnar import ColumnarShard
from handpicked.data.files.text import TextShard
from handpicked.data.formats.turns import OF_ROUNDS, READ
from handpicked.records import Unread

SAMPLE = 1000
"""Rows that are looked at in each file whose rows are not held: reading all of a large text file
again would double the time.
"""
EMPTY: tuple[object, ...] = (None, "", [], {})


def unread(shards: Sequence[TextShard | ColumnarShard]) -> tuple[Unread, ...]:
    """The fields that are not understood, those in most rows first. A field of turns
    is named ``turns[].field``.

    Rows of Parquet files are counted by what the files say of their columns, those of small text files one by
    one. Of a large text file only the first rows are looked at, and ``of`` says how many.
    """
    counts: Counter[str] = Counter()
    looked = 0
    sampled: set[Path] = set()
    opened: dict[Path, pq.ParquetFile] = {}
    for shard in shards:
        if isinstance(shard, ColumnarShard):
            counts += _columns(shard, opened)
            looked += shard.rows
        elif shard.span.held is not None:
            rows = [row for run in shard.span.held for row in run.rows]
            counts += _rows(rows, shard.reading)
            looked += len(rows)
        elif shard.found.path not in sampled:
            sampled.add(shard.found.path)
            rows = list(next(iter(shard.raw()))[1].rows[:SAMPLE]) if shard.rows else []
            counts += _rows(rows, shard.reading)
            looked += len(rows)
    for file in opened.values():
        file.close()
    return tuple(Unread(field, rows, looked) for field, rows in counts.most_common())


def known(reading: Reading) -> frozenset[str]:
    """The fields of a row that are understood, and the one that names its source."""
    shape = reading.format
    return frozenset(
        {*shape.fields, *shape.beside.known, *((reading.source_field,) if reading.source_field else ())}
    )


def _rows(rows: Iterable[object], reading: Reading) -> Counter[str]:
    objects = [row for row in rows if type(row) is dict]
    understood = known(reading)
    names = {name for keys in set(map(tuple, objects)) for name in keys if name not in understood}
    counts = Counter({name: sum(row.get(name) not in EMPTY for row in objects) for name in names})
    counts.update(name for row in objects for name in reading.format.unread(row))
    return counts


def _columns(shard: ColumnarShard, opened: dict[Path, pq.ParquetFile]) -> Counter[str]:
    """By the statistics of Parquet's columns; a column without any counts as full.
    Each file is ``opened`` once.
    """
    understood = known(shard.reading)
    counts: Counter[str] = Counter()
    if shard.container.kind != "parquet":
        names = [name for name in shard.reading.kinds if name not in understood]
        for batch in shard.tables(names) if names else ():
            for name in batch.schema.names:
                counts[name] += batch.num_rows - batch.column(name).null_count
        return counts
    path = copies.here(shard.found)
    file = opened.get(path) or opened.setdefault(path, pq.ParquetFile(path))
    understood |= {field.name for field in file.schema_arrow if pa.types.is_null(field.type)}
    for group in range(shard.first_group, shard.last_group):
        counts += _group(file.metadata.row_group(group), understood)
    return counts


def _group(group: Any, understood: frozenset[str]) -> Counter[str]:
    """One row group: a plain column counts its values, a nested one all rows where any leaf has a value."""
    counts: Counter[str] = Counter()
    for column in map(group.column, range(group.num_columns)):
        top, *inner = column.path_in_schema.split(".")
        known_nulls = column.is_stats_set and column.statistics.has_null_count
        filled = column.num_values - (column.statistics.null_count if known_nulls else 0)
        name, rows = top, filled if not inner else group.num_rows * bool(filled)
        if top in understood:
            if len(inner) < 3 or inner[0] != "list" or inner[2] in READ | OF_ROUNDS:
                continue
            name, rows = f"{top}[].{inner[2]}", filled
        counts[name] = max(counts[name], rows)
    return +counts
