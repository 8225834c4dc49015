"""What a guard finds in rows that are written to a file and read as a user's pool is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.guards.lint import Lint
from handpicked.selection import pick


def findings(guard: Lint, rows: Sequence[Any], folder: Path) -> list[str | None]:
    """What ``guard`` says of each row, as JSON lines and as Parquet, which must agree."""
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (scorer,) = guard.scorers
    found = [
        value
        for shard in read(file).shards
        for batch in shard.read(scorer.columns)
        for value in scorer(batch).to_pylist()
    ]
    assert len(found) == len(rows), "a row was rejected"
    columns = folder / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([_flat(row) for row in rows]), columns)
    again = [
        value
        for shard in read(columns).shards
        for batch in shard.read(scorer.columns)
        for value in scorer(batch).to_pylist()
    ]
    assert again == found
    return found


def kept(asked: Any, rows: Sequence[Any], folder: Path) -> tuple[list[int], dict[str, int]]:
    """The rows that a selection of all keeps with this guard, and the rows dropped for each reason."""
    file = folder / "pool.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = pick(read(file), SelectSettings(by="full", guards=(asked,)), folder / "out")
    scores = pq.read_table(folder / "out" / "scores.parquet").to_pylist()
    return [one["row"] for one in scores if one["kept"]], {one.reason: one.rows for one in summary.dropped}


def _flat(row: Any) -> Any:
    """A row whose lists are JSON texts, as tables hold them where rows differ."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()}


def turn(role: str, content: str | None = "", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def call(name: str, arguments: Any = "{}", id: str | None = None) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **({} if id is None else {"id": id})}


def calling(*calls: dict[str, Any], content: str | None = None) -> dict[str, Any]:
    return turn("assistant", content, tool_calls=list(calls))


def tool(name: str, parameters: Any = None) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters or {}}}
