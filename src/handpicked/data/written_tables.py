"""Rows as Arrow tables, for Parquet files and folders of the ``datasets`` library."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from handpicked.data.files.columnar import ColumnarShard
from handpicked.data.files.raw import between
from handpicked.errors import MissingPart, PoolError
from handpicked.records import AtHand, Pool

if TYPE_CHECKING:
    from handpicked.data.pool import FilePool

ROW_GROUP = 1024

RELEASE = 4
"""Rounds of shards after which freed memory goes back to the system; sooner costs time."""


def original_table(pool: Pool, rows: Sequence[int]) -> pa.Table:
    """These rows (ascending) as they came, as one Arrow table: with its own types where the pool is of
    Parquet or Arrow files, else with those that fit all rows.

    Raises PoolError where no one schema fits.
    """
    from handpicked.data.pool import FilePool

    if not (isinstance(pool, FilePool) and pool.columnar and one_schema(pool)):
        return next(tables_of(example.original for example in pool.examples(rows)))
    schema = _schema(pool)
    found = [_cast(table, schema) for table in original_tables(pool, rows, None)]
    return pa.concat_tables(found) if found else schema.empty_table()


def original_tables(pool: FilePool, rows: Sequence[int], at_hand: AtHand | None) -> Iterator[pa.Table]:
    """The untouched Arrow rows of Parquet and Arrow files: those at hand, or read, as many shards
    at once as there are cores.
    """
    if at_hand is not None and (held := at_hand(rows)) is not None:
        yield from held
        return
    parts = [
        (shard, own)
        for shard in pool.shards
        if isinstance(shard, ColumnarShard)
        and len(own := between(rows, shard.first_row, shard.first_row + shard.rows))
    ]
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as threads:
        for begin in range(0, len(parts), cores):  # no further ahead: a subset may be as large as the pool
            for tables in threads.map(_taken, parts[begin : begin + cores]):
                yield from tables
            if begin // cores % RELEASE == RELEASE - 1:  # else what was read adds up, freed as it is
                pa.default_memory_pool().release_unused()


def _taken(part: tuple[ColumnarShard, Sequence[int]]) -> list[pa.Table]:
    shard, rows = part
    return [pa.Table.from_batches([batch]) for _, batch in shard.taken(rows)]


def tables_of(rows: Iterator[Mapping[str, object]]) -> Iterator[pa.Table]:
    """JSON rows as Arrow tables of one schema, inferred over all of them, with keys in the order in which they
    come first.

    Raises PoolError where no one schema fits.
    """
    try:
        listed = list(rows)
        names = dict.fromkeys(
            name for row in listed for name in row
        )  # pyarrow looks at the first row's alone
        table = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in listed])
        yield _in_order(table, listed) if _sorts_keys() else table
    except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
        raise PoolError(
            f"the rows do not fit one Parquet schema ({str(error).splitlines()[0]}); write them as jsonl (in "
            "Python, to_list() has them)"
        ) from error


@cache
def _sorts_keys() -> bool:
    """Whether this pyarrow sorts the keys of objects, as releases before 24 do. The order matters: a model
    reads the JSON text of the tools that a row declares.
    """
    return bool(pa.array([{"b": 0, "a": 0}]).type.field(0).name == "a")


def _in_order(table: pa.Table, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """The table with the fields of its structs in the order of the keys of ``rows``."""
    fields = [
        pa.field(field.name, _ordered(field.type, [row.get(field.name) for row in rows]))
        for field in table.schema
    ]
    schema = pa.schema(fields)
    return table if schema == table.schema else pa.Table.from_pylist(list(rows), schema)


def _ordered(type_: pa.DataType, values: Sequence[object]) -> pa.DataType:
    if pa.types.is_list(type_):
        inside = [item for value in values if isinstance(value, list | tuple) for item in value]
        return pa.list_(_ordered(type_.value_type, inside))
    if not pa.types.is_struct(type_):
        return type_
    objects = [value for value in values if isinstance(value, Mapping)]
    keys = dict.fromkeys(key for value in objects for key in value)
    return pa.struct(
        [
            pa.field(key, _ordered(type_.field(key).type, [value.get(key) for value in objects]))
            for key in keys
        ]
    )


def write_parquet(path: Path, tables: Iterator[pa.Table], pool: FilePool, original: bool) -> None:
    schema = _schema(pool) if original else None
    first = next(tables, None)
    if first is None:
        first = (schema or _empty()).empty_table()
    schema = schema or first.schema
    groups = _row_groups(_storable(_cast(table, schema)) for table in itertools.chain([first], tables))
    try:
        with pq.ParquetWriter(
            str(path), _storable(schema.empty_table()).schema, compression="zstd"
        ) as writer:
            for group in groups:
                writer.write_table(group)
    except pa.ArrowNotImplementedError as error:
        raise PoolError(
            f"Parquet cannot hold these rows ({str(error).splitlines()[0]}); write jsonl"
        ) from error


def _storable(table: pa.Table) -> pa.Table:
    """A column of nothing but empty objects, such as ``"metadata": {}``, as nulls: Parquet has no type for it."""
    for place, field in enumerate(table.schema):
        if pa.types.is_struct(field.type) and field.type.num_fields == 0:
            table = table.set_column(place, field.name, pa.nulls(table.num_rows))
    return table


def _row_groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of ``ROW_GROUP`` rows, so that the file does not
    depend on how the pool was cut.
    """
    held: list[pa.Table] = []
    count = 0
    for table in tables:
        held.append(table)
        count += table.num_rows
        while count >= ROW_GROUP:
            whole = pa.concat_tables(held)
            yield whole.slice(0, ROW_GROUP).combine_chunks()
            held, count = [whole.slice(ROW_GROUP)], count - ROW_GROUP
    if count:
        yield pa.concat_tables(held).combine_chunks()


def write_datasets(path: Path, tables: Iterator[pa.Table], pool: FilePool, original: bool) -> None:
    try:
        import datasets
    except ImportError as error:
        raise MissingPart(
            "container 'datasets' needs the datasets library: pip install 'handpicked[train]'"
        ) from error
    found = list(tables)
    schema = _schema(pool) if original else found[0].schema if found else _empty()
    schema = schema.remove_metadata()
    whole = pa.concat_tables([_cast(table, schema) for table in found]) if found else schema.empty_table()
    datasets.Dataset(_storable(whole)).save_to_disk(str(path))


def _schema(pool: FilePool) -> pa.Schema:
    """The one schema of all files of a Parquet or Arrow pool, with the wider type where they differ."""
    from handpicked.data.files import columnar

    schemas = [columnar.groups(file.path, file.container)[0] for file in pool.files]
    if len(schemas) == 1:
        return schemas[0]
    try:
        return pa.unify_schemas(
            [schema.remove_metadata() for schema in schemas], promote_options="permissive"
        )
    except pa.ArrowException as error:
        raise PoolError(
            f"the files of the pool differ in their columns ({str(error).splitlines()[0]}); write jsonl"
        ) from error


def one_schema(pool: FilePool) -> bool:
    """Whether the files of a pool fit one Parquet schema."""
    try:
        _schema(pool)
    except PoolError:
        return False
    return True


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    for name in schema.names:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, schema.field(name).type))
    try:
        return table.select(schema.names).cast(schema)
    except pa.ArrowException as error:
        raise PoolError(
            f"a row does not fit the columns of the other files ({str(error).splitlines()[0]}); write jsonl"
        ) from error


def _empty() -> pa.Schema:
    return pa.schema([])
