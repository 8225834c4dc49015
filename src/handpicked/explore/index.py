"""A pool as a file with random access to its rows: made once, kept in the cache, memory-mapped.

JSON lines, archives and compressed Parquet cannot be read from the middle. So each row's texts are written
once to an Arrow file without compression, with the fields of the row that are not part of its conversation.
The file is in ``explore/`` of the cache, in a folder named after the pool's files, their sizes and times.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock

from handpicked.data import read, stdlib
from handpicked.data.batch import DERIVED, TURNS, Kind
from handpicked.data.paths import files as files_of
from handpicked.data.pool import FilePool
from handpicked.errors import PoolError
from handpicked.models.bundled import cache_folder
from handpicked.progress import SILENT, Progress
from handpicked.records import Json, Message, Turns
from handpicked.selection.rejected import NAME as REJECTED
from handpicked.selection.rejected import RejectedRows
from handpicked.store import private_folder, read_json, write_json, writing

VERSION = 1
"""Of the layout of an index. Raise it when another one would be written."""
BATCH_ROWS = 8192
ROWS, ABOUT = "rows.arrow", "index.json"
OWN = ("id", "prompt", "response", TURNS)
MOST_VALUES, LONGEST_VALUE = 1000, 200
"""Different values of a text field, and letters of each, up to which it is a category, and not a text."""
TYPES: Mapping[Kind, pa.DataType] = {"text": pa.large_string(), "number": pa.float64(), "bool": pa.bool_()}


@dataclass(frozen=True)
class Reading:
    """How the files of a pool are read; see ``data.read``."""

    format: str | None = None
    map: Mapping[str, str] | None = None
    turns: Turns = "last"
    max_row_mb: int = 256
    split: str | None = None
    config: str | None = None
    encoding: str | None = None


@dataclass(frozen=True)
class Field:
    """A field of the original rows that is not part of the conversation, and its column in the file."""

    name: str
    kind: Kind
    column: str
    few: bool = False
    """Whether a text has so few different values that it is a category."""


@dataclass(frozen=True)
class Index:
    """An indexed pool. ``rows`` counts all of its rows, ``rejected`` those that could not be read."""

    folder: Path
    paths: tuple[str, ...]
    reading: Reading
    rows: int
    rejected: int
    format: str
    why: str
    fields: tuple[Field, ...]

    @staticmethod
    def open(folder: Path) -> Index:
        """The index in this folder. Raises StoreError when it is damaged."""
        about = read_json(folder / ABOUT)
        fields = tuple(Field(**one) for one in about.pop("fields"))
        paths, reading = tuple(about.pop("paths")), Reading(**about.pop("reading"))
        return Index(folder=folder, fields=fields, paths=paths, reading=reading, **about)

    @cached_property
    def batches(self) -> list[pa.RecordBatch]:
        """Its rows, memory-mapped: a page of the file is read when it is looked at."""
        try:
            file = pa.ipc.open_file(pa.memory_map(str(self.folder / ROWS)))
            return [file.get_batch(number) for number in range(file.num_record_batches)]
        except (pa.ArrowException, OSError) as error:
            raise PoolError(
                f"{self.folder} is damaged ({error}). Delete that folder; the pool is then indexed again."
            ) from error

    @cached_property
    def begins(self) -> list[int]:
        """The row with which each batch begins, and the number of rows at the end."""
        return [0, *accumulate(len(batch) for batch in self.batches)]

    def chunks(self, column: str) -> list[pa.Array]:
        """A column, batch by batch."""
        return [batch[column] for batch in self.batches]

    def value(self, row: int, column: str) -> Any:
        """One value, by its position."""
        number = bisect_right(self.begins, row) - 1
        return self.batches[number][column][row - self.begins[number]].as_py()

    def unread(self, row: int) -> bool:
        """Whether this row was rejected."""
        number = bisect_right(self.begins, row) - 1
        return not self.batches[number]["id"][row - self.begins[number]].is_valid

    @cached_property
    def unread_rows(self) -> np.ndarray:
        """Which rows were rejected (boolean)."""
        if not self.rejected:
            return np.zeros(self.rows, bool)
        return np.concatenate(
            [pc.is_null(chunk).to_numpy(zero_copy_only=False) for chunk in self.chunks("id")]
        )

    def messages(self, row: int) -> list[Message]:
        """The turns of a row; none where it was rejected."""
        if self.unread(row):
            return []
        stored = self.value(row, "messages")
        if stored is not None:
            return [Message.of(one) for one in json.loads(stored)]
        said = (("user", self.value(row, "prompt")), ("assistant", self.value(row, "response")))
        return [Message(role, text) for role, text in said]

    @cached_property
    def rejections(self) -> Mapping[int, Json]:
        """The rows that could not be read: file, place, reason and excerpt of each."""
        if not self.rejected:
            return {}
        lines = (self.folder / REJECTED).read_text(encoding="utf-8").split("\n")[:-1]
        return {one["row"]: one for one in map(json.loads, lines)}


def index_of(
    paths: Sequence[str | Path],
    reading: Reading = Reading(),
    progress: Progress = SILENT,
    say: Callable[[str], None] = lambda _: None,
) -> Index:
    """The index of a pool: the one that is kept, else one made now, which reads the pool once.

    Raises:
        PoolError: the pool cannot be read. StoreError: the cache cannot be written.
    """
    given = [stdlib.cached_pool() if path == stdlib.NAME else path for path in paths]
    found, _ = files_of(given, reading.split, reading.config)
    name, now = _key([one.path for one in found], reading)
    folder = cache_folder() / "explore" / f"{name}-{now}"
    with writing(folder):
        private_folder(folder.parent)
        with FileLock(f"{folder}.lock"):
            if not (folder / ABOUT).is_file():
                with _aside(folder) as work:
                    _write(given, reading, work, progress, say)
                for older in set(folder.parent.glob(f"{name}-*/")) - {folder}:
                    shutil.rmtree(older, ignore_errors=True)
    return Index.open(folder)


def _key(paths: Sequence[Path], reading: Reading) -> tuple[str, str]:
    """A name for these files and this reading, and a name for their current content."""
    places = [str(path.resolve()) for path in paths]
    stats = [(found.st_size, found.st_mtime_ns) for found in map(Path.stat, paths)]
    name = "".join(letter if letter.isalnum() else "-" for letter in paths[0].stem)[:40]
    return f"{name}-{_hash([places, asdict(reading)])}", _hash([VERSION, stats])


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """A temporary folder that replaces ``folder`` when the block succeeds, and is removed otherwise."""
    shutil.rmtree(folder, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder.parent))
    try:
        yield work
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write(
    paths: Sequence[str | Path],
    reading: Reading,
    folder: Path,
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    pool = read(paths, **vars(reading))
    assert isinstance(pool, FilePool)
    say(f"{pool.rows:,} rows are indexed once, in {cache_folder() / 'explore'}")
    writer = _Writer(pool, folder)
    with progress("index", pool.rows) as step:
        writer.all(step)
    rejected = RejectedRows.found(pool, pool.rows - writer.rejected, folder / REJECTED)
    about = {
        "paths": [str(path) for path in paths],
        "reading": asdict(reading),
        "rows": pool.rows,
        "rejected": len(rejected),
        "format": pool.format,
        "why": pool.why,
        "fields": [asdict(one) for one in writer.described()],
    }
    write_json(folder / ABOUT, about)


@dataclass
class _Writer:
    """Writes the rows of a pool in their order; a row that cannot be read is nulls."""

    pool: FilePool
    folder: Path
    rejected: int = 0
    values: dict[str, set[str] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        used = {name for file in self.pool.files for name in file.reading.format.fields}
        used |= {file.reading.source_field or "" for file in self.pool.files} | {*DERIVED}
        kinds = {name: kind for name, kind in self.pool.files[0].reading.kinds.items() if name not in used}
        self.fields = [
            Field(name, kind, f"field {place}") for place, (name, kind) in enumerate(kinds.items())
        ]
        self.fields.append(Field("source", "text", "source"))
        self.values = {one.name: set() for one in self.fields if one.kind == "text"}
        self.columns = ["row", *OWN, *(one.name for one in self.fields)]
        own = [
            ("id", pa.string()),
            *((name, pa.large_string()) for name in ("prompt", "response", "messages")),
        ]
        typed = [(one.column, TYPES[one.kind]) for one in self.fields]
        self.schema = pa.schema([*own, ("turns", pa.float64()), *typed])

    def all(self, step: Callable[[float], None]) -> None:
        with pa.OSFile(str(self.folder / ROWS), "wb") as file, pa.ipc.new_file(file, self.schema) as writer:
            following = 0
            for shard in self.pool.shards:
                for read_rows in shard.read(self.columns):
                    following = self._write(read_rows, following, writer)
                    step(len(read_rows))
            self._write(None, following, writer)

    def _write(self, rows: pa.RecordBatch | None, following: int, writer: pa.RecordBatchWriter) -> int:
        """Write these rows after the row before ``following``, with nulls for those left out between them;
        the row that follows. ``None``: the end of the pool.
        """
        if rows is not None and not len(rows):
            return following
        end = self.pool.rows if rows is None else rows["row"][-1].as_py() + 1
        places = np.full(end - following, -1)
        if rows is not None:
            places[rows["row"].to_numpy() - following] = np.arange(len(rows))
        self.rejected += int((places < 0).sum())
        table = self.schema.empty_table() if rows is None else self._columns(rows)
        for begin in range(0, len(places), BATCH_ROWS):
            part = places[begin : begin + BATCH_ROWS]
            writer.write_table(table.take(pa.array(part, mask=part < 0)), BATCH_ROWS)
        return int(end)

    def _columns(self, rows: pa.RecordBatch) -> pa.Table:
        stored = rows[TURNS]
        turns = [2.0 if one is None else float(len(orjson.loads(one))) for one in stored.to_pylist()]
        made = {name: rows[name] for name in ("id", "prompt", "response")} | {"messages": stored}
        made |= {"turns": pa.array(turns, pa.float64())}
        for one in self.fields:
            made[one.column] = pc.cast(rows[one.name], TYPES[one.kind])
            self._note(one, made[one.column])
        return pa.table([made[name] for name in self.schema.names], schema=self.schema)

    def _note(self, one: Field, values: pa.Array) -> None:
        """Remember the different values of a text field while they are few."""
        known = self.values.get(one.name)
        if known is not None:
            known.update(pc.unique(values.drop_null()).to_pylist())
            if len(known) > MOST_VALUES or any(len(value) > LONGEST_VALUE for value in known):
                self.values[one.name] = None

    def described(self) -> list[Field]:
        """The fields, without those that only repeat the source."""
        few = {name: bool(values) for name, values in self.values.items()}
        return [
            Field(one.name, one.kind, one.column, few.get(one.name, False))
            for one in self.fields
            if one.column != "source" or self.values["source"] is None or len(self.values["source"]) > 1
        ]
