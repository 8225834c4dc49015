"""Memory against the largest row, measured in a child process."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import handpicked as hp
from handpicked.data import read

CHILD = """
import sys, resource
import numpy, orjson, pyarrow, pyarrow.compute
from pathlib import Path
from handpicked.data import read
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
pool = read(sys.argv[1], max_row_mb=int(sys.argv[3]))
for shard in pool.shards:
    for batch in shard.read(["row", "id", "response"]):
        del batch
pool.write([example.row for example in pool.examples()], Path(sys.argv[2]))
print(pool.rows, sum(1 for _ in pool.rejected()), peak() - before)
"""


def write_pool(path, container, megabytes):
    """Three rows, the second of so many MiB, in gzip."""
    piece = b"word and " * 116_509
    with gzip.open(path, "wb", compresslevel=1) as file:
        start, end, good = {
            "jsonl": (b'{"instruction":"a","output":"', b'"}\n', b'{"instruction":"c","output":"d"}\n'),
            "json": (b'{"instruction":"a","output":"', b'"},', b'{"instruction":"c","output":"d"},'),
            "csv": (b'a,"', b'"\n', b"c,d\n"),
        }[container]
        file.write({"jsonl": b"", "json": b"[", "csv": b"instruction,output\n"}[container] + good + start)
        for _ in range(megabytes):
            file.write(piece)
        file.write(end + good + (b"]" if container == "json" else b""))


def measured(path, out, limit):
    """Rows, rejected rows and the MiB that reading, writing and reading again added at the peak."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(out), str(limit)],
        capture_output=True,
        text=True,
        check=True,
        env=env,
    )
    rows, rejected, peak = done.stdout.split()
    return int(rows), int(rejected), float(peak)


@pytest.mark.parametrize("container", ["json", "jsonl", "csv"])
def test_a_large_row_takes_at_most_six_times_its_size(tmp_path, container):
    write_pool(tmp_path / f"pool.{container}.gz", container, 24)
    rows, rejected, peak = measured(tmp_path / f"pool.{container}.gz", tmp_path / "out", 256)
    assert (rows, rejected) == (3, 0)
    assert peak < 6 * 24 + 30


@pytest.mark.parametrize("container", ["json", "jsonl", "csv"])
def test_a_row_over_the_limit_is_never_held(tmp_path, container):
    write_pool(tmp_path / f"pool.{container}.gz", container, 40)
    rows, rejected, peak = measured(tmp_path / f"pool.{container}.gz", tmp_path / "out", 8)
    assert (rows, rejected) == (3, 1)
    assert peak < 90


@pytest.mark.slow
@pytest.mark.parametrize("container", ["json", "jsonl", "csv"])
@pytest.mark.parametrize(("megabytes", "limit"), [(1000, 256), (500, 2000)])
def test_a_row_of_a_gigabyte(tmp_path, container, megabytes, limit):
    write_pool(tmp_path / f"pool.{container}.gz", container, megabytes)
    _, rejected, peak = measured(tmp_path / f"pool.{container}.gz", tmp_path / "out", limit)
    assert rejected == (megabytes > limit)
    assert peak < 6 * min(megabytes, limit) + 30


def test_a_parquet_column_of_one_long_text_is_read_in_small_batches(tmp_path):
    """2,000 rows that name one text of a megabyte: 1.2 MB in the file, 2 GB in memory."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["word " * 200_000]))
    asked = pa.array([f"q{row}" for row in range(2000)])
    table = pa.table({"instruction": asked, "output": text})
    pq.write_table(table, tmp_path / "p.parquet", dictionary_pagesize_limit=1 << 22)
    assert (tmp_path / "p.parquet").stat().st_size < 4 << 20
    (shard,) = read(tmp_path / "p.parquet").shards
    sizes = [batch.num_rows for batch in shard.tables(None)]
    assert sum(sizes) == 2000 and max(sizes) <= 32


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_columnar_row_over_the_limit_is_rejected_with_its_size(tmp_path, kind):
    rows = [{"instruction": f"q{row}", "output": "a" * (3 << 20 if row == 1 else 5)} for row in range(4)]
    table = pa.Table.from_pylist(rows)
    file = tmp_path / f"pool.{kind}"
    if kind == "parquet":
        pq.write_table(table, file)
    else:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    pool = read(file, max_row_mb=1)
    (rejected,) = pool.rejected()
    assert rejected.row == 1 and "the row has 3.1 MB, more than the 1 MiB" in rejected.reason
    batches = [batch for shard in pool.shards for batch in shard.read(["row", "response"])]
    assert [row for batch in batches for row in batch["row"].to_pylist()] == [0, 2, 3]
    assert [example.row for example in pool.examples()] == [0, 2, 3]


def test_deeply_nested_rows_are_written_whether_long_or_not(tmp_path):
    deep: object = "end"
    for _ in range(600):
        deep = [deep]
    rows = [
        {"prompt": "a", "response": "b", "more": deep},
        {"prompt": "c", "response": "d " * 600_000, "more": deep},
    ]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pool = hp.read(tmp_path / "pool.jsonl")
    hp.select(pool, "longest", size=2).write(tmp_path / "out")
    written = [json.loads(line) for line in (tmp_path / "out" / "selected.jsonl").open()]
    assert written == rows
