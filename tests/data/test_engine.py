"""The engine runs a function over shards: the same batches whoever runs them, and
errors that are still ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from handpicked.data import engine
from handpicked.errors import ConfigError, PoolError

SCHEMA = pa.schema([("row", pa.int64())])


@dataclass(frozen=True)
class Numbers:
    """A shard of numbers from ``first_row`` on."""

    first_row: int
    rows: int

    def read(self, columns) -> Iterator[pa.RecordBatch]:
        for begin in range(0, self.rows, 1000):
            rows = range(self.first_row + begin, self.first_row + min(begin + 1000, self.rows))
            yield pa.record_batch({"row": pa.array(rows, pa.int64())})


def work(shard):
    yield from shard.read(["row"])


def broken(shard):
    for batch in shard.read(["row"]):
        if batch["row"][0].as_py() > 80_000:
            raise PoolError("part-7.parquet is damaged: download it again")
        yield batch


def rows_of(batches):
    return sorted(row for batch in batches for row in batch["row"].to_pylist())


SHARDS = [Numbers(begin, 7_000) for begin in range(0, 140_000, 7_000)]


def test_a_large_pool_goes_through_daft_and_loses_nothing():
    assert sum(shard.rows for shard in SHARDS) > engine.SMALL
    batches = list(engine.map_shards(SHARDS, work, SCHEMA))
    assert rows_of(batches) == list(range(140_000))
    by_shard: dict[int, list[int]] = {}
    for batch in batches:
        for row in batch["row"].to_pylist():
            by_shard.setdefault(row // 7_000, []).append(row)
    assert all(rows == sorted(rows) for rows in by_shard.values())


def test_shards_are_read_by_no_more_threads_than_cores():
    seen = set()

    def noted(shard):
        for batch in work(shard):
            seen.add(threading.get_ident())
            yield batch

    assert len(rows_of(engine.map_shards(SHARDS, noted, SCHEMA))) == 140_000
    assert 1 <= len(seen) <= os.cpu_count()


def test_a_small_pool_does_not_import_daft():
    code = (
        "import sys, pyarrow as pa; from handpicked.data import engine; from test_engine import *\n"
        "assert len(rows_of(engine.map_shards(SHARDS[:2], work, SCHEMA))) == 14_000\n"
        "assert 'daft' not in sys.modules"
    )
    here = Path(__file__).parent
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(here)!r})\n{code}"], check=True
    )


@pytest.mark.parametrize("shards", [SHARDS, SHARDS[10:14]])
def test_an_error_of_ours_comes_back_as_it_was_raised(shards):
    with pytest.raises(PoolError, match=r"^part-7\.parquet is damaged: download it again$"):
        list(engine.map_shards(shards, broken, SCHEMA))


def test_no_shards_give_no_batches():
    assert list(engine.map_shards([], work, SCHEMA)) == []


def test_the_runner_cannot_change_within_a_process():
    pytest.importorskip("ray")
    list(engine.map_shards(SHARDS, work, SCHEMA))
    with pytest.raises(ConfigError, match="already worked with native"):
        list(engine.map_shards(SHARDS, work, SCHEMA, runner="ray"))
