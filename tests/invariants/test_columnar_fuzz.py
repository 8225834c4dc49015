"""Mutated Arrow, Parquet and stream files, each read in a child process: no crash, no
traceback, every row accounted for.
"""

from __future__ import annotations

import datetime
import decimal
import io
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.data import read
from handpicked.errors import HandpickedError


def table(rows=40):
    """Rows with a value of every kind that such files hold."""
    texts = [f"Question {index}: " + "é☂x" * (index % 7) for index in range(rows)]
    return pa.table(
        {
            "prompt": texts,
            "response": pa.array([text[::-1] for text in texts], pa.large_string()),
            "kind": pa.array([f"k{index % 3}" for index in range(rows)]).dictionary_encode(),
            "score": pa.array([None if index % 5 == 0 else index / 3 for index in range(rows)]),
            "at": pa.array([1_700_000_000_000_000_001 + index for index in range(rows)], pa.timestamp("ns")),
            "price": pa.array([decimal.Decimal(f"{index}.25") for index in range(rows)]),
            "day": pa.array([datetime.date(2026, 1, 1)] * rows),
            "turns": [[{"role": "user", "content": text, "at": None}] for text in texts],
            "tags": pa.array(
                [[("a", str(index))] for index in range(rows)], pa.map_(pa.string(), pa.string())
            ),
        }
    )


def originals():
    for name, options in (
        ("plain", {"compression": "none", "use_dictionary": False}),
        ("snappy", {"compression": "snappy"}),
        ("pages", {"compression": "zstd", "data_page_version": "2.0", "data_page_size": 64}),
    ):
        sink = io.BytesIO()
        pq.write_table(table(), sink, row_group_size=15, **options)
        yield f"{name}.parquet", sink.getvalue()
    viewed = table().set_column(0, "prompt", table()["prompt"].combine_chunks().cast(pa.string_view()))
    for name, make, compression, rows in (
        ("plain.arrow", pa.ipc.new_file, None, table()),
        ("lz4.arrow", pa.ipc.new_file, "lz4", table()),
        ("views.arrow", pa.ipc.new_file, None, viewed),
        ("plain.stream", pa.ipc.new_stream, None, table()),
        ("zstd.stream", pa.ipc.new_stream, "zstd", viewed),
    ):
        sink = io.BytesIO()
        with make(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_table(rows, max_chunksize=15)
        yield name, sink.getvalue()


def mutated(data, rng):
    """One to three edits of a few bytes; half of them where the metadata lies, at the ends
    of the file or of a batch.
    """
    data = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data))
        if rng.random() < 0.5:
            at = rng.choice(
                [rng.randrange(min(600, len(data))), -1 - rng.randrange(min(900, len(data)))]
            ) % len(data)
        edit = rng.randrange(6)
        if edit == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif edit == 1:
            data[at] = rng.randrange(256)
        elif edit == 2:
            data[at : at + 4] = rng.choice(
                [b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x10\0\0\0"]
            )
        elif edit == 3:
            data[at : at + 8] = rng.choice(
                [b"\xff" * 8, b"\xff" * 7 + b"\x7f", (1 << 40).to_bytes(8, "little")]
            )
        elif edit == 4:
            del data[at : at + rng.randint(1, 16)]
        elif rng.random() < 0.3:
            del data[at:]
        if not data:
            return b"PAR1"
    return bytes(data)


def account(path, out):
    """Read every row by batches, one by one and as rejected, and write some: the numbers
    agree, or the file is refused.
    """
    try:
        pool = read(path)
        rows = [
            row
            for shard in pool.shards
            for batch in shard.read(["row", "id"])
            for row in batch["row"].to_pylist()
        ]
        assert rows == [example.row for example in pool.examples()]
        assert sorted([*rows, *(one.row for one in pool.rejected())]) == list(range(pool.rows))
        if rows:
            pool.write(rows[::2], out)
            pool.write(rows[::2], out, container="jsonl")
    except HandpickedError as error:
        assert str(error)
        assert "\n" not in str(error)


def main(folder, first, last):
    """In the child: the seeds from ``first`` to ``last``, each named before it is tried."""
    kinds = list(originals())
    for seed in range(first, last):
        name, data = kinds[seed % len(kinds)]
        sys.stdout.write(f"seed {seed} {name}\n")
        sys.stdout.flush()
        (folder / name).write_bytes(mutated(data, random.Random(seed)))
        account(folder / name, folder / "out")


def fuzz(folder, first, last):
    done = subprocess.run(
        [sys.executable, __file__, str(folder), str(first), str(last)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, (
        f"{done.stdout.splitlines()[-1:]} ended with {done.returncode}: {done.stderr[-1500:]}"
    )
    assert done.stdout.count("seed") == last - first


def test_the_originals_are_read_whole(tmp_path):
    for name, data in originals():
        (tmp_path / name).write_bytes(data)
        pool = read(tmp_path / name)
        assert [example.prompt for example in pool.examples()] == table()["prompt"].to_pylist()


def test_mutated_arrow_and_parquet_files_crash_nothing(tmp_path):
    fuzz(tmp_path, 0, 64)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_two_thousand_mutated_arrow_and_parquet_files_crash_nothing(tmp_path, part):
    fuzz(tmp_path, 1000 + part * 200, 1200 + part * 200)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
