"""Keys of objects in Parquet stand in the order in which the rows have them, whatever pyarrow infers."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq

import handpicked as hp
from handpicked.data import written_tables

TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "a": [{"z": 1, "b": 2}]}}}
]  # fmt: skip


def sorted_type(value: object) -> pa.DataType:
    """The type that pyarrow before 24 infers."""
    if isinstance(value, dict):
        return pa.struct([pa.field(key, sorted_type(value[key])) for key in sorted(value)])
    return pa.list_(sorted_type(value[0])) if isinstance(value, list) else pa.scalar(value).type


def test_a_table_with_sorted_keys_gets_the_order_of_the_rows():
    rows = [{"tools": None}, {"tools": TOOLS}]
    table = pa.Table.from_pylist(rows, pa.schema([("tools", sorted_type(TOOLS))]))
    assert json.dumps(table.to_pylist()[1]["tools"]) != json.dumps(TOOLS)
    found = written_tables._in_order(table, rows)
    assert json.dumps(found.to_pylist()) == json.dumps(rows)


def test_keys_keep_their_order_in_a_written_file(tmp_path):
    rows = [
        {
            "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
            "tools": TOOLS,
        }
    ]
    pool = hp.read(rows)
    pool.write([0], tmp_path, "messages", "parquet")
    (row,) = pq.read_table(tmp_path / "selected.parquet").to_pylist()
    assert json.dumps(row["tools"]) == json.dumps(TOOLS)
