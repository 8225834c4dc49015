"""Memory against the largest row, measured in a child process."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import pytest

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
