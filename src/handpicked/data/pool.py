"""A pool of files; see ``records.Pool`` for its contract."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from handpicked.data import batch, unread
from handpicked.data.files.columnar import ColumnarShard
from handpicked.data.files.container import Container, unreadable
from handpicked.data.files.raw import between
from handpicked.data.files.text import TextShard
from handpicked.data.found import Found
from handpicked.data.objects import Given
from handpicked.errors import PoolError
from handpicked.records import AtHand, Example, Json, Rejected, Turns, Unread

FileShard = TextShard | ColumnarShard


@dataclass(frozen=True)
class File:
    """One file of a pool: how it is read, its shards, and its place among the pool's rows."""

    found: Found
    container: Container
    reading: batch.Reading
    shards: tuple[FileShard, ...]
    first_row: int
    rows: int

    @property
    def path(self) -> Path:
        """Where it lies on this machine."""
        return self.found.path


NAMED = 3
"""Files that the ``repr`` of a pool names."""


class FilePool:
    """The Pool that ``read`` makes. ``fields`` are the names of the original
    columns that a shard can read; ``given`` is the object that the rows come from, where it was one.
    """

    given: Given[object] | None = None

    def __init__(self, files: Sequence[File], why: str) -> None:
        self.files = tuple(files)
        self.format = " + ".join(dict.fromkeys(file.reading.format.name for file in files))
        self.why = why
        self.rows = sum(file.rows for file in files)
        self.shards: Sequence[FileShard] = [shard for file in files for shard in file.shards]
        self.fields = tuple(files[0].reading.kinds)
        self.turns: Turns = files[0].reading.turns
        self._inputs: list[Json] | None = None
        self._unread: Sequence[Unread] | None = None

    def __repr__(self) -> str:
        files = ", ".join(dict.fromkeys(file.found.name for file in self.files[:NAMED]))
        more = f" and {len(self.files) - NAMED:,} other files" if len(self.files) > NAMED else ""
        return f"<Pool of {self.rows:,} rows in the format {self.format}: {files}{more}>"

    @property
    def columnar(self) -> bool:
        """Whether all files have columns with types: Parquet and Arrow."""
        return all(isinstance(shard, ColumnarShard) for shard in self.shards)

    def examples(self, rows: Sequence[int] | None = None) -> Iterator[Example]:
        """See ``records.Pool``. Rows that cannot be read are left out."""
        for shard, wanted in self._wanted(rows):
            for numbers, raw in shard.chosen(wanted):
                yield from batch.examples(raw, numbers, shard.reading)

    def rejected(self) -> Iterator[Rejected]:
        """See ``records.Pool``. Reads the pool once more."""
        for shard in self.shards:
            yield from shard.rejected()

    def inputs(self) -> Sequence[Json]:
        """See ``records.Pool``: path (its URL, where it was fetched), bytes, sha256, rows, format and
        container of each file, and what pins it (commit, etag) with its licence, where these are known.
        """
        if self._inputs is None:
            self._inputs = [
                {
                    "path": file.found.name,
                    "bytes": file.path.stat().st_size,
                    "sha256": _sha256(file.path),
                    "rows": file.rows,
                    "format": file.reading.format.name,
                    "container": str(file.container),
                    **file.found.origin,
                }
                for file in self.files
            ]
        return self._inputs

    def unread(self) -> Sequence[Unread]:
        """What its rows hold that is not part of the conversation (see ``data.unread``)."""
        if self._unread is None:
            self._unread = unread.unread(self.shards)
        return self._unread

    def write(
        self,
        rows: Sequence[int],
        out: Path,
        format: str = "original",
        container: str | None = None,
        at_hand: AtHand | None = None,
    ) -> Path:
        """See ``records.Pool`` and ``data.write``."""
        from handpicked.data import write

        return write.write(self, rows, Path(out), format, container, at_hand)

    def _wanted(self, rows: Sequence[int] | None) -> Iterator[tuple[FileShard, Sequence[int]]]:
        """The shards that hold these rows (``None``: all), each with its own of them."""
        wanted = range(self.rows) if rows is None else rows
        if any(later <= row for row, later in pairwise(wanted)):
            raise ValueError("rows must be ascending")
        if len(wanted) and (wanted[0] < 0 or wanted[-1] >= self.rows):
            raise ValueError(f"rows go from 0 to {self.rows - 1}, not from {wanted[0]} to {wanted[-1]}")
        for shard in self.shards:
            own = between(wanted, shard.first_row, shard.first_row + shard.rows)
            if len(own):
                yield shard, own


def _sha256(path: Path) -> str:
    buffer = memoryview(bytearray(8 << 20))
    try:
        with path.open("rb", buffering=0) as file:
            digest = hashlib.sha256()
            # In large pieces, since this thread waits for its turn twice a piece while others work.
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
    except OSError as error:
        raise PoolError(unreadable(path, error)) from error
    return digest.hexdigest()
