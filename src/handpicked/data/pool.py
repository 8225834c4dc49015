"""A pool of files: see ``records.Pool`` for what it promises."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from handpicked.data import batch
from handpicked.data.columnar import ColumnarShard
from handpicked.data.container import Container, unreadable
from handpicked.data.text import TextShard
from handpicked.errors import PoolError
from handpicked.records import Example, Rejected

FileShard = TextShard | ColumnarShard


@dataclass(frozen=True)
class File:
    """One file of a pool: how it is read, its shards, and its place among the pool's rows."""

    path: Path
    container: Container
    reading: batch.Reading
    shards: tuple[FileShard, ...]
    first_row: int
    rows: int


class FilePool:
    """The Pool that ``read`` makes. ``fields`` are the names of the original columns that a shard can read."""

    def __init__(self, files: Sequence[File], why: str) -> None:
        self.files = tuple(files)
        self.format = " + ".join(dict.fromkeys(file.reading.format.name for file in files))
        self.why = why
        self.rows = sum(file.rows for file in files)
        self.shards: Sequence[FileShard] = [shard for file in files for shard in file.shards]
        self.fields = tuple(files[0].reading.kinds)
        self._inputs: list[Mapping[str, Any]] | None = None

    def examples(self, rows: Sequence[int] | None = None) -> Iterator[Example]:
        """See ``records.Pool``. Rows that cannot be read are left out."""
        for shard, wanted in self._wanted(rows):
            for first, raw in shard.raw():
                if wanted is None:
                    yield from batch.examples(raw, first, shard.reading)
                    continue
                begin, end = bisect_left(wanted, first), bisect_left(wanted, first + len(raw.rows))
                yield from batch.examples(
                    raw, first, shard.reading, [row - first for row in wanted[begin:end]]
                )

    def rejected(self) -> Iterator[Rejected]:
        """See ``records.Pool``. Reads the pool once more."""
        for shard in self.shards:
            yield from shard.rejected()

    def inputs(self) -> Sequence[Mapping[str, Any]]:
        """See ``records.Pool``: path, bytes, sha256, rows, format and container of each file."""
        if self._inputs is None:
            self._inputs = [
                {
                    "path": str(file.path),
                    "bytes": file.path.stat().st_size,
                    "sha256": _sha256(file.path),
                    "rows": file.rows,
                    "format": file.reading.format.name,
                    "container": str(file.container),
                }
                for file in self.files
            ]
        return self._inputs

    def write(
        self, rows: Sequence[int], out: Path, format: str = "original", container: str | None = None
    ) -> Path:
        """See ``records.Pool`` and ``data.write``."""
        from handpicked.data import write

        return write.write(self, rows, Path(out), format, container)

    def _wanted(self, rows: Sequence[int] | None) -> Iterator[tuple[FileShard, Sequence[int] | None]]:
        """The shards that hold these rows, each with its own of them."""
        if rows is None:
            for shard in self.shards:
                yield shard, None
            return
        if any(later <= row for row, later in pairwise(rows)):
            raise ValueError("rows must be ascending")
        if len(rows) and not (rows[0] >= 0 and rows[-1] < self.rows):
            raise ValueError(f"rows go from 0 to {self.rows - 1}, not from {rows[0]} to {rows[-1]}")
        for shard in self.shards:
            begin, end = bisect_left(rows, shard.first_row), bisect_left(rows, shard.first_row + shard.rows)
            if end > begin:
                yield shard, rows[begin:end]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while data := file.read(1 << 20):
                digest.update(data)
    except OSError as error:
        raise PoolError(unreadable(path, error)) from error
    return digest.hexdigest()
