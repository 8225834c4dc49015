"""A pool's scores: computed shard by shard into one file beside the output.

Only one batch is in memory at a time, so that memory does not grow with the pool.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.data.engine import map_shards
from handpicked.data.files.columnar import ColumnarShard
from handpicked.errors import PoolError
from handpicked.progress import SILENT, Progress
from handpicked.records import Pool, Shard
from handpicked.selection.top_rows import TopRows
from handpicked.store import writing
from handpicked.workers import THIS_MACHINE, Workers

RELEASE = 1 << 19
"""Rows after which freed memory goes back to the system."""


class BatchScorer(Protocol):
    """As much of a scorer as is needed here (``score.scorer`` has the whole contract)."""

    @property
    def name(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    def __call__(self, batch: pa.RecordBatch) -> pa.Array: ...


@dataclass(frozen=True)
class ScoreShard:
    """The work on one shard: its rows, ids, scores and wanted fields. Picklable; carries no text away."""

    scorers: tuple[BatchScorer, ...]
    fields: tuple[str, ...]
    schema: pa.Schema
    top_rows: TopRows | None = None

    def __call__(self, shard: Shard) -> Iterator[pa.RecordBatch]:
        texts = dict.fromkeys(column for scorer in self.scorers for column in scorer.columns)
        columns = list(dict.fromkeys(["row", "id", *self.fields, *texts]))
        if self.top_rows is None or not (isinstance(shard, ColumnarShard) and shard.needs_all(columns)):
            yield from (self._scored(batch) for batch in shard.read(columns))
            return
        for batch, first_row, originals in shard.read_beside(columns):
            scored = self._scored(batch)
            self.top_rows.offer(scored, first_row, originals)
            yield scored

    def _scored(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        values = [batch["row"], batch["id"], *(scorer(batch) for scorer in self.scorers)]
        values += [batch[name] for name in self.fields]
        cast = [_no_nan(value.cast(kind.type)) for value, kind in zip(values, self.schema, strict=True)]
        return pa.RecordBatch.from_arrays(cast, schema=self.schema)


def _no_nan(values: pa.Array) -> pa.Array:
    """Not a number is not a value."""
    if not pa.types.is_floating(values.type):
        return values
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


@dataclass
class ScoredPool:
    """The scores of every readable row of a pool, as batches in pool order. ``rows`` counts them."""

    file: Path
    schema: pa.Schema
    rows: int = 0
    order: list[int] = field(default_factory=list)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Batches with row, id and ``columns`` (all, by default), in pool order."""
        wanted = None if columns is None else ["row", "id", *columns]
        with pa.OSFile(str(self.file)) as source, pa.ipc.open_file(source) as reader:
            for index in self.order:
                batch = reader.get_batch(index)
                yield batch if wanted is None else batch.select(wanted)


def score_pool(
    pool: Pool,
    scorers: Sequence[BatchScorer],
    fields: Sequence[str],
    file: Path,
    *,
    top_rows: TopRows | None = None,
    workers: Workers = THIS_MACHINE,
    progress: Progress = SILENT,
) -> ScoredPool:
    """Score every readable row into ``file`` (Arrow IPC). ``fields`` are columns of the pool to take along.

    ``top_rows`` are offered the rows as they came, where they are scored in this process and
    all their columns are read.

    Raises:
        PoolError: the pool has no such field.
        StoreError: the file cannot be written.
    """
    schema = _schema(pool, scorers, fields)
    # What needs only a row's number looks it up in a file of this machine, and so it does not travel to
    # others.
    here = {scorer.name: scorer for scorer in scorers if scorer.columns == ("row",)}
    away = pa.schema([one for one in schema if one.name not in here])
    if top_rows is not None and (workers.runner != "native" or top_rows.column not in away.names):
        top_rows = None
    work = ScoreShard(tuple(one for one in scorers if one.name not in here), tuple(fields), away, top_rows)
    scored = ScoredPool(file, schema)
    starts: list[int] = []
    released = 0
    with (
        writing(file),
        progress("score", pool.rows) as step,
        pa.OSFile(str(file), "wb") as sink,
        pa.ipc.new_file(sink, schema) as writer,
    ):
        for part in map_shards(pool.shards, work, away, runner=workers.runner, address=workers.address):
            batch = _with_stored(part, here, schema)
            for piece in _by_shard(batch, pool.shards):
                starts.append(piece["row"][0].as_py())
                writer.write_batch(piece)
            scored.rows += len(batch)
            step(len(batch))
            # What tasks have freed stays with the allocator, in pieces that fit the next one less and less.
            if scored.rows >= released + RELEASE:
                pa.default_memory_pool().release_unused()
                released = scored.rows
    pa.default_memory_pool().release_unused()
    scored.order = sorted(range(len(starts)), key=starts.__getitem__)
    return scored


def _with_stored(part: pa.RecordBatch, here: Mapping[str, BatchScorer], schema: pa.Schema) -> pa.RecordBatch:
    """The batch with its columns of ``here``, in the order of ``schema``."""
    if not here:
        return part
    columns = [here[name](part) if name in here else part[name] for name in schema.names]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _schema(pool: Pool, scorers: Sequence[BatchScorer], fields: Sequence[str]) -> pa.Schema:
    """Row, id, one column a scorer (its type is what it makes of an empty batch), then the fields."""
    empty = pa.array([], pa.large_string())
    kinds: list[tuple[str, Any]] = [("row", pa.int64()), ("id", pa.large_string())]
    for scorer in scorers:
        nothing = pa.RecordBatch.from_arrays([empty] * len(scorer.columns), names=list(scorer.columns))
        kinds.append((scorer.name, scorer(nothing).type))
    head = next((batch for shard in pool.shards if fields for batch in shard.read(fields)), None)
    types: Mapping[str, Any] = (
        {} if head is None else dict(zip(head.schema.names, head.schema.types, strict=True))
    )
    for name in fields:
        if types and name not in types:
            raise PoolError(f"the pool has no field {name!r}.")
        kind = types.get(name, pa.large_string())
        kinds.append((name, pa.large_string() if pa.types.is_string(kind) else kind))
    return pa.schema(kinds)


def _by_shard(batch: pa.RecordBatch, shards: Sequence[Shard]) -> Iterator[pa.RecordBatch]:
    """The batch cut where one shard ends and another begins, so that pieces can be put in pool order."""
    if not len(batch):
        return
    rows = batch["row"].to_numpy()
    starts = np.array([shard.first_row for shard in shards])
    owner = np.searchsorted(starts, rows, side="right")
    cuts = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(rows)]
    for begin, end in itertools.pairwise(cuts):
        yield batch.slice(begin, end - begin)
