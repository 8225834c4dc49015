"""Runs a function over the shards of a pool by Daft, here or on a Ray cluster.

The query is one scan whose tasks are the shards. Each task reads its own shard where it runs and gives back
only what the function yields, so that text never travels. On the native runner as many shards are in work as
there are cores.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import pyarrow as pa

from handpicked.data.cluster import connect, refuse_change, runner_held
from handpicked.errors import ConfigError, HandpickedError, MissingPart, PoolError
from handpicked.records import Runner, Shard

SMALL = 1 << 16
"""Rows up to which a pool is read in this process."""
Work = Callable[[Shard], "Iterator[pa.RecordBatch]"]


def map_shards(
    shards: Sequence[Shard],
    work: Work,
    schema: pa.Schema,
    *,
    runner: Runner = "native",
    address: str | None = None,
) -> Iterator[pa.RecordBatch]:
    """Batches of ``schema`` that ``work`` yields for each shard: in any order, but
    each shard's own in theirs.

    ``work`` is called once a shard, from several threads at once; under ``ray`` it must be picklable, since
    it runs on the workers of the cluster at ``address`` (``None``: one on this machine). A small pool needs
    no engine: it is read in this process before Daft would be imported.

    Raises:
        HandpickedError: what ``work`` raised, or a cluster that cannot be used.
    """
    if runner == "native" and sum(shard.rows for shard in shards) <= SMALL:
        return (batch for shard in shards for batch in work(shard))
    return _query(shards, work, schema, runner, address)


def _query(
    shards: Sequence[Shard], work: Work, schema: pa.Schema, runner: Runner, address: str | None
) -> Iterator[pa.RecordBatch]:
    import daft

    choose(runner, address)
    failures: list[HandpickedError] = []
    with daft.execution_config_ctx(scantask_max_parallel=os.cpu_count() or 1):
        try:
            yield from _source(shards, work, schema, failures).read().to_arrow_iter()
        except HandpickedError:
            raise
        except Exception as error:
            raise (failures[0] if failures else _original(error)) from error


def _original(error: Exception) -> Exception:
    """The error of ours that a worker of another process raised, of which only the
    text came back, or ``error``.
    """
    text = str(error)
    for kind in (PoolError, ConfigError, MissingPart):
        marker = f"{kind.__name__}: "
        if marker in text:
            return kind(text.split(marker, 1)[1].splitlines()[0])
    return error


def choose(runner: Runner, address: str | None) -> None:
    """Set Daft's runner, before anything is read by it. It holds one for the life of a process.

    Raises MissingPart and ConfigError as ``cluster.connect`` does.
    """
    refuse_change(runner)
    if runner == "ray":
        connect(address)
    if runner_held() == runner:
        return
    import daft

    if runner == "ray":
        daft.set_runner_ray(noop_if_initialized=True)
    else:
        daft.set_runner_native()


@cache
def _threads() -> ThreadPoolExecutor:
    """What reads shards in this process: no more threads than cores, because the memory that a
    thread has used stays with it.
    """
    return ThreadPoolExecutor(os.cpu_count())


def _source(shards: Sequence[Shard], work: Work, schema: pa.Schema, failures: list[HandpickedError]) -> Any:
    """A Daft data source whose tasks are the shards. Built here because its base classes
    come with the import of Daft.

    Daft wraps what a task raises; on the native runner the original is also put into ``failures``.
    """
    import daft
    from daft.io.source import DataSource, DataSourceTask
    from daft.recordbatch import RecordBatch

    class ShardTask(DataSourceTask):
        def __init__(self, shard: Shard) -> None:
            self.shard = shard

        @property
        def schema(self) -> daft.Schema:
            return daft.Schema.from_pyarrow_schema(schema)

        async def read(self) -> Any:
            # In a thread, because the event loop is shared by every shard in work.
            batches = iter(work(self.shard))
            following = partial(asyncio.get_running_loop().run_in_executor, _threads(), self._next, batches)
            while (batch := await following()) is not None:
                yield RecordBatch.from_arrow_record_batches([batch], schema)

        def _next(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
            try:
                return next(batches, None)
            except HandpickedError as error:
                failures.append(error)
                raise

    class ShardSource(DataSource):
        @property
        def name(self) -> str:
            return "shards"

        @property
        def schema(self) -> daft.Schema:
            return daft.Schema.from_pyarrow_schema(schema)

        async def get_tasks(self, pushdowns: Any) -> Any:
            del pushdowns
            for shard in shards:
                yield ShardTask(shard)

    return ShardSource()
