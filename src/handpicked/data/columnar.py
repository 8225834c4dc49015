"""Shards of Parquet and Arrow files: only the columns that are needed, and no loop over rows where they are plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from handpicked.data.batch import DERIVED, Kind, Reading, column_type, rejects, to_batch
from handpicked.data.bulk import bulk_batch, unreadable
from handpicked.data.container import Container
from handpicked.data.raw import Damage, Raw, between, excerpt
from handpicked.errors import PoolError
from handpicked.records import Rejected

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_BYTES = 16 << 20
ROWS = 32768
SHARD = 32 << 20


@dataclass(frozen=True)
class ColumnarShard:
    """Row groups (Parquet) or record batches (Arrow) ``first_group`` to ``last_group`` (exclusive) of one file."""

    path: Path
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
        """``read``, each batch with the number of the first row that it was made of, and those rows as they came."""
        for column in columns:
            column_type(column, self.reading.kinds)
        needed = self._needed(columns)
        row = self.first_row
        for batch in self.tables(needed):
            whole = bulk_batch(batch, row, self.reading, columns)
            read = to_batch(self._raw(batch, row), row, self.reading, columns) if whole is None else whole
            yield read, row, batch
            row += batch.num_rows

    def needs_all(self, columns: Sequence[str]) -> bool:
        """Whether reading these columns takes all columns of the file."""
        return set(self.reading.kinds) <= set(self._needed(columns))

    def rejected(self) -> Iterator[Rejected]:
        """Its rows that cannot be read."""
        import pyarrow as pa

        row = self.first_row
        for batch in self.tables(self._needed(())):
            suspects = unreadable(batch, self.reading)
            objects = row_objects(batch.take(pa.array(suspects, pa.int64())))
            in_file = row - self.first_row + self.first_in_file + 1
            part = Raw(objects, [in_file + index for index in suspects])
            yield from rejects(part, [row + index for index in suspects], self.reading)
            row += batch.num_rows

    def chosen(self, rows: Sequence[int]) -> Iterator[tuple[Sequence[int], Raw]]:
        """The raw rows with these (ascending) numbers, each run with its numbers."""
        for own, taken in self.taken(rows):
            yield own, Raw(row_objects(taken), own)

    def taken(self, rows: Sequence[int]) -> Iterator[tuple[Sequence[int], pa.RecordBatch]]:
        """The original rows with these (ascending) numbers as Arrow batches, each with its numbers."""
        import pyarrow as pa

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
        import pyarrow as pa

        try:
            if self.container.kind == "parquet":
                yield from _parquet(self.path, range(self.first_group, self.last_group), columns)
            else:
                yield from _arrow(
                    self.path, self.container, range(self.first_group, self.last_group), columns
                )
        except (pa.ArrowException, OSError) as error:
            raise PoolError(f"{self.path} is damaged: {_first_line(error)}") from error

    def _needed(self, columns: Sequence[str]) -> list[str]:
        """The fields of the file that the asked columns are made of."""
        asked = [column for column in columns if column not in DERIVED]
        source = [self.reading.source_field] if self.reading.source_field else []
        return list(dict.fromkeys([*self.reading.format.fields, *asked, *source]))

    def _raw(self, batch: pa.RecordBatch, row: int) -> Raw:
        first = row - self.first_row + self.first_in_file + 1
        return Raw(row_objects(batch), range(first, first + batch.num_rows))


def row_objects(batch: pa.RecordBatch) -> list[Any]:
    """The rows as objects; one with bytes that are not UTF-8 is damaged."""
    try:
        return cast("list[Any]", batch.to_pylist())
    except UnicodeDecodeError:
        return [_row(batch.slice(index, 1)) for index in range(batch.num_rows)]


def _row(one: pa.RecordBatch) -> Any:
    try:
        return one.to_pylist()[0]
    except UnicodeDecodeError as error:
        return Damage(
            f"it holds bytes that are not UTF-8 ({error.reason})",
            excerpt(error.object.decode("utf-8", "replace")),
        )


def _parquet(
    path: Path, groups: range, columns: Sequence[str] | None, rows: int = ROWS
) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False) as file:
        present = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        bytes_, count = 0, 0
        for group in groups:
            part = file.metadata.row_group(group)
            bytes_ += part.total_byte_size
            count += part.num_rows
        size = max(1, min(rows, BATCH_BYTES * count // max(bytes_, 1)))
        # One thread a shard: as many shards are read at once as there are cores.
        yield from file.iter_batches(size, row_groups=list(groups), columns=present, use_threads=False)


def _arrow(
    path: Path, container: Container, groups: range, columns: Sequence[str] | None
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        if container.kind == "arrow file":
            reader = pa.ipc.open_file(source)
            batches: Any = (reader.get_batch(group) for group in groups)
        else:
            batches = pa.ipc.open_stream(source)
        for batch in batches:
            batch.validate(
                full=True
            )  # Arrow trusts the offsets of a file; a damaged one would read past its buffers
            chosen = (
                batch
                if columns is None
                else batch.select([name for name in columns if name in batch.schema.names])
            )
            size = max(1, min(ROWS, BATCH_BYTES * batch.num_rows // max(batch.nbytes, 1)))
            for begin in range(0, chosen.num_rows, size):
                yield chosen.slice(begin, size)


@dataclass(frozen=True)
class Group:
    """Consecutive row groups of a file that make one shard."""

    first: int
    last: int
    rows: int


def kinds(schema: pa.Schema) -> dict[str, Kind]:
    """The column type that each field is read as."""
    import pyarrow as pa

    def kind(type_: pa.DataType) -> Kind:
        if pa.types.is_boolean(type_):
            return "bool"
        return "number" if pa.types.is_integer(type_) or pa.types.is_floating(type_) else "text"

    return {field.name: kind(field.type) for field in schema}


def groups(path: Path, container: Container) -> tuple[pa.Schema, list[Group]]:
    """The schema of a file, and its row groups gathered into shards of at least ``SHARD`` bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if container.kind == "parquet":
            with pq.ParquetFile(path) as file:
                parts = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
                return file.schema_arrow, _gathered([(part.num_rows, part.total_byte_size) for part in parts])
        with pa.memory_map(str(path)) as source:
            if container.kind == "arrow file":
                reader = pa.ipc.open_file(source)
                batches = (reader.get_batch(index) for index in range(reader.num_record_batches))
                return reader.schema, _gathered([(batch.num_rows, batch.nbytes) for batch in batches])
            stream = pa.ipc.open_stream(source)
            return stream.schema, [Group(0, 0, sum(batch.num_rows for batch in stream))]
    except (pa.ArrowException, OSError) as error:
        raise PoolError(f"{path} is no sound {container.kind}: {_first_line(error)}") from error


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
    return str(error).strip().split("\n", 1)[0][:200]


def head(path: Path, container: Container, group: Group, size: int = ROWS) -> Iterator[pa.RecordBatch]:
    """The batches of one group of a file, of at most ``size`` rows."""
    import pyarrow as pa

    try:
        if container.kind == "parquet":
            yield from _parquet(path, range(group.first, group.last), None, size)
        else:
            yield from _arrow(path, container, range(group.first, group.last), None)
    except (pa.ArrowException, OSError) as error:
        raise PoolError(f"{path} is damaged: {_first_line(error)}") from error
