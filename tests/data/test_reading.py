"""``read`` recognises what it is given, and gives every row one place."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.data import read
from handpicked.records import messages_id

ALPACA = [
    {"instruction": "Name a colour.", "input": "", "output": "Red."},
    {"instruction": "Translate.", "input": "bonjour", "output": "hello"},
]
COLUMNS = ["row", "id", "prompt", "response", "source"]


def table(pool, columns=COLUMNS):
    batches = [batch for shard in pool.shards for batch in shard.read(columns)]
    return pa.Table.from_batches(batches).to_pylist()


@pytest.mark.parametrize("container", ["json", "jsonl", "parquet"])
def test_one_pool_in_three_containers_reads_the_same(tmp_path, container):
    path = tmp_path / f"pool.{container}"
    if container == "json":
        path.write_text(json.dumps(ALPACA, indent=2))
    elif container == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ALPACA))
    else:
        pq.write_table(pa.Table.from_pylist(ALPACA), path)
    pool = read(path)
    assert (pool.format, pool.rows) == ("alpaca", 2)
    rows = table(pool)
    assert [row["prompt"] for row in rows] == ["Name a colour.", "Translate.\n\nbonjour"]
    assert [row["response"] for row in rows] == ["Red.", "hello"]
    assert [row["row"] for row in rows] == [0, 1]
    examples = list(pool.examples())
    assert [example.id for example in examples] == [row["id"] for row in rows]
    assert [messages_id(example.messages) for example in examples] == [row["id"] for row in rows]
    assert [dict(example.original) for example in examples] == ALPACA
    assert list(pool.rejected()) == []


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "rows", "format", "empty"),
    [
        ("native/alpaca_data.json.gz", 52002, "alpaca", 28),
        ("sft/alpaca_52k.parquet", 52002, "alpaca", 28),
        ("native/databricks-dolly-15k.jsonl.gz", 15011, "dolly", 0),
        ("sft/dolly_15k.parquet", 15011, "dolly", 0),
    ],
)
def test_published_sets_are_accounted_for(real_data, file, rows, format, empty):
    pool = read(real_data / file)
    readable = sum(batch.num_rows for shard in pool.shards for batch in shard.read(["row"]))
    rejected = list(pool.rejected())
    assert (pool.format, pool.rows, len(rejected)) == (format, rows, empty)
    assert readable + len(rejected) == rows
