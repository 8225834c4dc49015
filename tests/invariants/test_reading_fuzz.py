"""Mutated copies of real files: every row is read or rejected, or the file is refused in one
line. Never anything else.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import pickle
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.data import read
from handpicked.data.files import buffer, text
from handpicked.errors import HandpickedError

JUNK = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"null",
        b"\\ud83d", b"1e999", b"NaN", b"},{", b'"}, {"', b"[[[[", b"\xed\xa0\x80"]  # fmt: skip


def originals(folder):
    """Small heads of real files, in every container: name to bytes."""
    alpaca = pq.read_table(folder / "sft" / "alpaca_52k.parquet").slice(280, 12)
    chats = pq.read_table(folder / "sft" / "lima_1k_sharegpt.parquet").slice(0, 3)
    dolly = gzip.decompress((folder / "native" / "databricks-dolly-15k.jsonl.gz").read_bytes()).split(b"\n")[
        :10
    ]
    rows = alpaca.to_pylist()
    yield "a.json", json.dumps(rows, indent=4).encode()
    yield "b.json", json.dumps(chats.to_pylist(), ensure_ascii=False).encode()
    yield "c.jsonl", b"\n".join(dolly)
    yield "d.jsonl", "\n".join(json.dumps(row) for row in chats.to_pylist()).encode()
    lines = io.StringIO()
    import csv

    writer = csv.DictWriter(lines, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    yield "e.csv", lines.getvalue().encode()
    yield "f.json.gz", gzip.compress(json.dumps(rows).encode(), mtime=0)
    yield "g.jsonl.bz2", bz2.compress(b"\n".join(dolly))
    for name, table in (("h.parquet", alpaca), ("i.parquet", chats)):
        sink = io.BytesIO()
        pq.write_table(table, sink, row_group_size=5, compression="none" if name == "h.parquet" else "snappy")
        yield name, sink.getvalue()
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, alpaca.schema) as file:
        file.write_table(alpaca, max_chunksize=5)
    yield "j.arrow", sink.getvalue()


def mutated(data, rng):
    """One to four edits: flip, drop, repeat, insert, overwrite, or cut."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + int(rng.expovariate(1 / 8)))
        edit = rng.randrange(6)
        if edit == 0 and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        elif edit == 1:
            data = data[:at] + data[end:]
        elif edit == 2:
            data = data[:end] + data[at:end] + data[end:]
        elif edit == 3:
            data = data[:at] + rng.choice(JUNK) + data[at:]
        elif edit == 4:
            data = data[:at] + rng.choice(JUNK) + data[end:]
        elif rng.random() < 0.2:
            data = data[:at]
    return data


def check(path, out):
    """Read, count, read again as a worker would, write. Gives the number of rows, or None
    where the file was refused.
    """
    try:
        pool = read(path)
        rows = [
            row
            for shard in pool.shards
            for batch in shard.read(["row", "id", "response"])
            for row in batch.to_pylist()
        ]
        examples = list(pool.examples())
        rejected = [row.row for row in pool.rejected()]
        if rows:
            pool.write([row["row"] for row in rows[::2]], out)
    except HandpickedError as error:
        assert str(error), "an error says something"
        return None
    assert [row["row"] for row in rows] == [example.row for example in examples]
    assert [row["id"] for row in rows] == [example.id for example in examples]
    assert [row["response"] for row in rows] == [example.response for example in examples]
    assert sorted([*(row["row"] for row in rows), *rejected]) == list(range(pool.rows))
    worker = [pickle.loads(pickle.dumps(shard)) for shard in pool.shards]
    again = [
        row
        for shard in worker
        for batch in shard.read(["row", "id", "response"])
        for row in batch.to_pylist()
    ]
    assert again == rows
    return pool.rows


def fuzz(real_data, tmp_path, times):
    refused = 0
    for name, data in originals(real_data):
        assert check(write(tmp_path / name, data), tmp_path / "out") is not None
        for seed in range(times):
            changed = mutated(data, random.Random(f"{name} {seed}"))
            path = write(tmp_path / name, changed)
            try:
                refused += check(path, tmp_path / "out") is None
            except Exception as error:
                raise AssertionError(f"{name} with seed {seed}") from error
    return refused


def write(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.data
def test_mutated_files_lose_nothing(real_data, tmp_path):
    assert fuzz(real_data, tmp_path, 40) > 0


@pytest.mark.data
@pytest.mark.slow
def test_ten_thousand_mutated_files_lose_nothing(real_data, tmp_path):
    assert fuzz(real_data, tmp_path, 1000) > 0


@pytest.mark.data
def test_mutated_files_lose_nothing_when_they_are_streamed(real_data, tmp_path, monkeypatch):
    """The same with a buffer, a shard and a held size that are far too small for these files."""
    for module in (buffer, text.lines):
        monkeypatch.setattr(module, "CHUNK", 300)
    monkeypatch.setattr(text, "HOLD", 0)
    monkeypatch.setattr(text, "SHARD", 1000)
    assert fuzz(real_data, tmp_path, 40) > 0
