"""What a pool says does not depend on how it is stored, cut or fetched."""

from __future__ import annotations

import gzip
import json
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.data import read
from handpicked.data.files import buffer, columnar, text
from handpicked.records import messages_id

COLUMNS = ["row", "id", "prompt", "response"]


def table(pool, shards=None):
    """All readable rows, each shard having travelled as it would to a worker."""
    worker = pickle.loads(pickle.dumps(list(pool.shards if shards is None else shards)))
    return pa.Table.from_batches([batch for shard in worker for batch in shard.read(COLUMNS)])


@pytest.mark.data
def test_containers_of_alpaca_agree(real_data, tmp_path):
    """The JSON array, gzip, JSON lines and Parquet hold one pool: same rows, ids, texts and rejects."""
    data = gzip.decompress((real_data / "native" / "alpaca_data.json.gz").read_bytes())
    (tmp_path / "alpaca.json").write_bytes(data)
    with (tmp_path / "alpaca.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in json.loads(data))
    pq.write_table(
        pq.read_table(real_data / "sft" / "alpaca_52k.parquet"), tmp_path / "a.parquet", row_group_size=7000
    )
    pools = [read(tmp_path / "alpaca.json"), read(tmp_path / "alpaca.jsonl"), read(real_data / "native" / "alpaca_data.json.gz"),
             read(tmp_path / "a.parquet")]  # fmt: skip
    tables = [table(pool) for pool in pools]
    assert all(one.equals(tables[0]) for one in tables)
    rejects = [[(row.row, row.reason) for row in pool.rejected()] for pool in pools]
    assert rejects == [rejects[0]] * 4
    assert tables[0].num_rows + len(rejects[0]) == 52002
    sample = range(0, 52002, 997)
    assert [example.id for example in pools[0].examples(sample)] == [
        example.id for example in pools[3].examples(sample)
    ]


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["alpaca_52k", "dolly_15k", "lima_1k_sharegpt", "lima_alpaca_history", "messages_kto_en_300"]
)
def test_bulk_columns_equal_the_examples(real_data, name):
    pool = read(real_data / "sft" / f"{name}.parquet")
    for row, example in zip(table(pool).to_pylist(), pool.examples(), strict=True):
        assert row == {
            "row": example.row,
            "id": example.id,
            "prompt": example.prompt,
            "response": example.response,
        }
        assert example.id == messages_id(example.messages)


@pytest.mark.data
def test_every_pool_at_hand_is_recognised_and_accounted_for(real_data):
    for path in sorted((real_data / "sft").glob("*.parquet")):
        pool = read(path)
        rejected = [row.row for row in pool.rejected()]
        readable = table(pool).column("row").to_pylist()
        assert sorted(rejected + readable) == list(range(pq.read_metadata(path).num_rows)), path.name


@pytest.mark.parametrize("container", ["json", "jsonl", "parquet", "arrow"])
def test_the_number_of_shards_changes_nothing(tmp_path, monkeypatch, container):
    rows = [
        {"prompt": f"é {index}?" * (index % 7), "response": f"{index}. " * (index % 50)}
        for index in range(2000)
    ]
    path = tmp_path / f"pool.{container}"
    if container in ("json", "jsonl"):
        lines = [json.dumps(row, ensure_ascii=bool(index % 2)) for index, row in enumerate(rows)]
        path.write_text(
            "[" + ",\n".join(lines) + "]" if container == "json" else "\r\n\r\n".join(lines),
            "utf-8",
            newline="",
        )
    elif container == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=100)
    else:
        with pa.ipc.new_file(path, pa.Table.from_pylist(rows).schema) as file:
            file.write_table(pa.Table.from_pylist(rows), max_chunksize=100)
    one = read(path)
    rejected = list(one.rejected())
    whole = table(one)
    for module in (buffer, text.lines):
        monkeypatch.setattr(module, "CHUNK", 1000)
    monkeypatch.setattr(text, "HOLD", 0)
    monkeypatch.setattr(text, "SHARD", 5000)
    monkeypatch.setattr(columnar, "SHARD", 5000)
    many = read(path)
    assert len(many.shards) > 5 > 1 == len(one.shards)
    assert table(many).equals(whole)
    assert list(many.rejected()) == rejected
    assert (
        whole.num_rows + len(rejected)
        == one.rows
        == many.rows
        == sum(shard.rows for shard in many.shards)
        == 2000
    )
    reverse = table(many, reversed(many.shards))
    assert reverse.sort_by("row").equals(whole.combine_chunks())
    chosen = [row for row in whole.column("row").to_pylist() if row % 3 == 0]
    assert (
        one.write(chosen, tmp_path / "one").read_bytes() == many.write(chosen, tmp_path / "many").read_bytes()
    )


def test_columns_come_in_the_order_asked_for(tmp_path):
    path = tmp_path / "pool.jsonl"
    path.write_text('{"prompt": "a", "response": "b", "n": 1}\n')
    (shard,) = read(path).shards
    for columns in (["response"], ["n", "id", "row"], ["messages", "prompt"], []):
        (batch,) = shard.read(columns)
        assert batch.schema.names == columns
