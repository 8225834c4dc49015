"""Shards of Parquet and Arrow files: reads only the columns that are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from handpicked.data import arrowtypes, copies
from handpicked.data.batch import DERIVED, Kind, Reading, column_type, rejects, to_batch
from handpicked.data.bulk import bulk_batch, unreadable
from handpicked.data.files.container import Container
from handpicked.data.files.parsing import too_large
from handpicked.data.files.raw import Raw, between
from handpicked.data.found import Found
from handpicked.errors import PoolError
from handpicked.records import Rejected

BATCH_BYTES = 16 << 20
ROWS = 32768
SHARD = 32 << 20


@dataclass(frozen=True)
class ColumnarShard:
    """Row groups (Parquet) or record batches (Arrow) ``first_group`` to
    ``last_group`` (exclusive) of one file.
    """

    found: Found
    container: Container
    first_group: int
    last_group: int
    reading: Reading
    first_row: int
    rows: int
    first_in_file: int

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See ``records.Shard``."""
        return (read for read, _, _ in self.read_beside(columns))

    def read_beside(self, columns: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, int, pa.RecordBatch]]:
        """``read``, each batch with the number of the first row that it was made of,
        and those rows as they came.
        """
        for column in columns:
            column_type(column, self.reading.kinds)
        needed = self._needed(columns)
        row = self.first_row
        for batch in self.tables(needed):
            whole = None if self._over(batch) else bulk_batch(batch, row, self.reading, columns)
            read = to_batch(self._raw(batch, row), row, self.reading, columns) if whole is None else whole
            yield read, row, batch
            row += batch.num_rows

    def needs_all(self, columns: Sequence[str]) -> bool:
        """Whether reading these columns takes all columns of the file."""
        return set(self.reading.kinds) <= set(self._needed(columns))

    def rejected(self) -> Iterator[Rejected]:
        """Its rows that cannot be read."""
        row = self.first_row
        for batch in self.tables(self._needed(())):
            suspects = range(batch.num_rows) if self._over(batch) else unreadable(batch, self.reading)
            objects = self._objects(batch.take(pa.array(suspects, pa.int64())))
            in_file = row - self.first_row + self.first_in_file + 1
            part = Raw(objects, [in_file + index for index in suspects])
            yield from rejects(part, [row + index for index in suspects], self.reading)
            row += batch.num_rows

    def chosen(self, rows: Sequence[int]) -> Iterator[tuple[Sequence[int], Raw]]:
        """The raw rows with these (ascending) numbers, each run with its numbers."""
        for own, taken in self.taken(rows):
            yield own, Raw(self._objects(taken), own)

    def taken(self, rows: Sequence[int]) -> Iterator[tuple[Sequence[int], pa.RecordBatch]]:
        """The original rows with these (ascending) numbers as Arrow batches, each with its numbers."""
        first = self.first_row
        for batch in self.tables(None):
            own = between(rows, first, first + batch.num_rows)
            if len(own) == batch.num_rows:
                yield own, batch
            elif len(own):
                yield own, batch.take(pa.array([int(row) - first for row in own], pa.int64()))
            first += batch.num_rows

    def tables(self, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """The original rows in batches of bounded bytes; ``columns`` of ``None`` means all of them."""
        count = 0
        groups, path = range(self.first_group, self.last_group), copies.here(self.found)
        for batch in _batches(path, self.container, groups, columns):
            count += batch.num_rows
            if count > self.rows:
                break
            yield batch
        if count != self.rows:
            raise PoolError(
                f"{self.found.path} is damaged, or has changed since it was opened: it does not hold "
                f"the {self.rows} rows that it says"
            )

    def _needed(self, columns: Sequence[str]) -> list[str]:
        """The fields of the file that the requested columns are made of."""
        wanted = [column for column in columns if column not in DERIVED]
        source = [self.reading.source_field] if self.reading.source_field else []
        made = self.reading.format.derived
        ratings = self.reading.format.beside.ratings or () if any(column in made for column in wanted) else ()
        return list(dict.fromkeys([*self.reading.format.fields, *wanted, *source, *ratings]))

    def _raw(self, batch: pa.RecordBatch, row: int) -> Raw:
        first = row - self.first_row + self.first_in_file + 1
        return Raw(self._objects(batch), range(first, first + batch.num_rows))

    def _objects(self, batch: pa.RecordBatch) -> list[object]:
        """The rows as objects; one that is larger than a row may be is damaged, and never made an object."""
        over = self._over(batch)
        if not over:
            return arrowtypes.objects(batch, self._needed(()))
        rest = [row for row in range(batch.num_rows) if row not in over]
        found = arrowtypes.objects(batch.take(pa.array(rest, pa.int64())), self._needed(()))
        whole = dict(zip(rest, found, strict=True))
        return [
            too_large(over[row], self.container.max_row, b"") if row in over else whole[row]
            for row in range(batch.num_rows)
        ]

    def _over(self, batch: pa.RecordBatch) -> dict[int, int]:
        """The bytes of the rows that are larger than a row may be, by their places in the batch."""
        if batch.nbytes <= self.container.max_row:
            return {}
        sizes = {row: batch.slice(row, 1).nbytes for row in range(batch.num_rows)}
        return {row: size for row, size in sizes.items() if size > self.container.max_row}


def _batches(
    path: Path, container: Container, groups: range, columns: Sequence[str] | None, rows: int = ROWS
) -> Iterator[pa.RecordBatch]:
    """Batches of these row groups with workable types. Raises PoolError where the file is damaged."""
    try:
        if container.kind == "parquet":
            yield from _parquet(path, groups, columns, rows)
        else:
            yield from _arrow(path, container, groups, columns)
    except _damages() as error:
        raise PoolError(f"{path} is damaged: {_first_line(error)}") from error


def _damages() -> tuple[type[Exception], ...]:
    """The errors of reading a damaged file, whose lengths, names and offsets may be anything."""
    return (pa.ArrowException, OSError, ValueError, OverflowError, KeyError, MemoryError)


def _parquet(path: Path, groups: range, columns: Sequence[str] | None, rows: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        schema = arrowtypes.workable(file.schema_arrow, str(path))
        present = None if columns is None else [name for name in columns if name in schema.names]
        bytes_, count = 0, 0
        for group in groups:
            part = file.metadata.row_group(group)
            bytes_ += part.total_byte_size
            count += part.num_rows
        largest = max(bytes_ // max(count, 1), _decoded(file, groups, present))
        size = max(1, min(rows, BATCH_BYTES // max(largest, 1)))
        # One thread a shard: as many shards are read at once as there are cores.
        for batch in file.iter_batches(size, row_groups=list(groups), columns=present, use_threads=False):
            batch.validate()
            yield arrowtypes.cast(batch, schema)


def _decoded(file: pq.ParquetFile, groups: range, columns: Sequence[str] | None) -> int:
    """The bytes of one of the first rows, as they are in memory: a column of few values names each by a
    number, and may be thousands of times as large there as in the file.
    """
    found = 0
    for rows in (1, 32):
        if not groups or found * rows > BATCH_BYTES:
            break
        first = next(
            file.iter_batches(rows, row_groups=[groups[0]], columns=columns, use_threads=False), None
        )
        found = 0 if first is None else arrowtypes.size_of(first) // max(first.num_rows, 1)
    return found


def _arrow(
    path: Path, container: Container, groups: range, columns: Sequence[str] | None
) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as source:
        if container.kind == "arrow file":
            reader = pa.ipc.open_file(source)
            batches: Iterator[pa.RecordBatch] = (reader.get_batch(group) for group in groups)
        else:
            reader = batches = pa.ipc.open_stream(source)
        schema = arrowtypes.workable(reader.schema, str(path))
        present = None if columns is None else [name for name in columns if name in schema.names]
        for batch in batches:
            _check(batch)
            chosen = arrowtypes.cast(batch if present is None else batch.select(present), schema)
            size = max(1, min(ROWS, BATCH_BYTES * chosen.num_rows // max(chosen.nbytes, 1)))
            for begin in range(0, chosen.num_rows, size):
                yield chosen.slice(begin, size)


def _check(batch: pa.RecordBatch) -> None:
    """Check every offset and buffer of a batch: Arrow trusts those of a file, and a damaged one
    would be read past its end.

    Texts that are not UTF-8 are left to the rows. Raises ArrowInvalid.
    """
    batch.validate()
    for column in batch.columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            as_bytes = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(column.type)
            if as_bytes is None or "UTF8" not in str(error):
                raise
            column.view(as_bytes).validate(full=True)


@dataclass(frozen=True)
class Group:
    """Consecutive row groups of a file that make one shard."""

    first: int
    last: int
    rows: int


def kinds(schema: pa.Schema) -> dict[str, Kind]:
    """The column type that each field is read as."""

    def kind(type_: pa.DataType) -> Kind:
        if pa.types.is_boolean(type_):
            return "bool"
        numbers = pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal
        return "number" if any(is_number(type_) for is_number in numbers) else "text"

    return {field.name: kind(field.type) for field in schema}


def groups(path: Path, container: Container) -> tuple[pa.Schema, list[Group]]:
    """The schema of a file, and its row groups gathered into shards of at least ``SHARD`` bytes."""
    try:
        schema, parts = _sizes(path, container)
        schema = arrowtypes.workable(schema, str(path))
    except _damages() as error:
        raise PoolError(f"{path} is not a valid {container.kind}: {_first_line(error)}") from error
    if any(rows < 0 for rows, _ in parts) or (parts and not _has_values(schema)):
        raise PoolError(
            f"{path} is not a valid {container.kind}: no column holds a value, so there are no rows"
        )
    return schema, _gathered(parts) if container.kind != "arrow stream" else [
        Group(0, 0, sum(n for n, _ in parts))
    ]


def _sizes(path: Path, container: Container) -> tuple[pa.Schema, list[tuple[int, int]]]:
    """The schema, and rows and bytes of each row group or record batch."""
    if container.kind == "parquet":
        with pq.ParquetFile(path) as file:
            groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
            return file.schema_arrow, [(group.num_rows, group.total_byte_size) for group in groups]
    parts: list[tuple[int, int]] = []
    with pa.memory_map(str(path)) as source:
        if container.kind == "arrow file":
            reader = pa.ipc.open_file(source)
            batches: Iterator[pa.RecordBatch] = (
                reader.get_batch(index) for index in range(reader.num_record_batches)
            )
        else:
            reader = batches = pa.ipc.open_stream(source)
        for batch in batches:
            batch.validate()  # before the size: nbytes follows the offsets
            parts.append((batch.num_rows, batch.get_total_buffer_size()))
        return reader.schema, parts


def _has_values(schema: pa.Schema) -> bool:
    """Whether any column has buffers: one of nulls has none, so a damaged file may claim any length."""
    return any(not pa.types.is_null(type_) for type_ in schema.types)


def _gathered(parts: list[tuple[int, int]]) -> list[Group]:
    """Shards of the row groups whose rows and bytes are given."""
    found: list[Group] = []
    first, rows, size = 0, 0, 0
    for index, (count, bytes_) in enumerate(parts):
        rows, size = rows + count, size + bytes_
        if size >= SHARD or index == len(parts) - 1:
            found.append(Group(first, index + 1, rows))
            first, rows, size = index + 1, 0, 0
    return found or [Group(0, 0, 0)]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n", 1)[0][:200]


def head(path: Path, container: Container, group: Group, size: int = ROWS) -> Iterator[pa.RecordBatch]:
    """The batches of one group of a file, of at most ``size`` rows."""
    return _batches(path, container, range(group.first, group.last), None, size)
