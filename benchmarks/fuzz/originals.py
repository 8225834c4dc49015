"""The files that are mutated: small heads of real data sets, or made rows of the same
shapes, in every container.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Rows = list[dict[str, Any]]
EXPERIMENT = """\
name: fuzzed
seed: 3
base: {name: ./no-such-model}
pool: {path: pool.jsonl}
arms:
  longest: {select: {by: longest, size: 8}}
  random: {select: {by: random, size: 8}}
train: {epochs: 1, learning_rate: 1.0e-5, batch_size: 4}
"""


@dataclass(frozen=True)
class Original:
    """A sound file: the command that reads it, its name, and its bytes. ``rows`` are what it holds."""

    command: str
    name: str
    data: bytes
    rows: int


def _arrow(table: pa.Table, make: Callable[..., Any], compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    with make(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=5)
    return sink.getvalue()


def _parquet(table: pa.Table, compression: str) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=5, compression=compression)
    return sink.getvalue()


def _csv(rows: Rows, delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _zip(data: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("rows.jsonl", data)
    return sink.getvalue()


def _lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _flat(rows: Rows) -> dict[str, bytes]:
    """Rows whose fields are texts, in every container."""
    table = pa.Table.from_pylist(rows)
    lines = _lines(rows)
    return {
        "rows.json": json.dumps(rows).encode(),
        "indented.json": json.dumps(rows, indent=4, ensure_ascii=False).encode(),
        "rows.jsonl": lines,
        "rows.csv": _csv(rows),
        "rows.tsv": _csv(rows, "\t"),
        "rows.jsonl.gz": gzip.compress(lines, mtime=0),
        "rows.json.zst": bytes(pa.compress(json.dumps(rows).encode(), codec="zstd", asbytes=True)),
        "rows.zip": _zip(lines),
        "plain.parquet": _parquet(table, "none"),
        "snappy.parquet": _parquet(table, "snappy"),
        "rows.arrow": _arrow(table, pa.ipc.new_file),
        "zstd.arrow": _arrow(table, pa.ipc.new_file, "zstd"),
        "rows.stream.arrow": _arrow(table, pa.ipc.new_stream),
    }


def _nested(rows: Rows) -> dict[str, bytes]:
    """Rows that hold lists of turns."""
    table = pa.Table.from_pylist(rows)
    return {
        "chats.json": json.dumps(rows, ensure_ascii=False).encode(),
        "chats.jsonl": _lines(rows),
        "chats.parquet": _parquet(table, "zstd"),
        "chats.arrow": _arrow(table, pa.ipc.new_file),
    }


def _real(path: str, start: int, count: int) -> Rows | None:
    """Rows of a real data set: those of ``HANDPICKED_DATA``, or of ``../shared/data``."""
    folder = Path(os.environ.get("HANDPICKED_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not (folder / path).is_file():
        return None
    return list(pq.read_table(folder / path).slice(start, count).to_pylist())


def _made(count: int) -> Rows:
    return [
        {
            "instruction": f"Question {i}: why é☂?",
            "input": "" if i % 3 else 'a, "b"\nc',
            "output": f"Because {i}. " * (i + 1),
        }
        for i in range(count)
    ]


def _made_chats(count: int) -> Rows:
    return [
        {
            "conversations": [
                {"from": "human", "value": row["instruction"]},
                {"from": "gpt", "value": row["output"]},
            ]
        }
        for row in _made(count)
    ]


def answers(rows: Sequence[Mapping[str, Any]], model: str) -> Rows:
    """Answers of a model to the instructions of these rows, one to each different instruction."""
    asked = dict.fromkeys(str(row["instruction"]) for row in rows)
    return [
        {"instruction": text, "output": f"{model} says {number}.", "generator": model}
        for number, text in enumerate(asked)
    ]


def _reviews(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Annotations as AlpacaEval keeps them."""
    return [
        {
            "instruction": row["instruction"], "output_1": row["output"], "output_2": f"Another {number}.",
            "generator_1": "one", "generator_2": "two", "annotator": "judge", "preference": 1 + number % 2,
        }
        for number, row in enumerate(rows)
    ]  # fmt: skip


@cache
def flat_rows(made: bool) -> Rows:
    """Rows of instruction, input and output: real ones where they are here and not
    ``made`` ones are asked for.
    """
    return (None if made else _real("sft/alpaca_52k.parquet", 280, 14)) or _made(14)


@cache
def originals(made: bool = False) -> tuple[Original, ...]:
    """Every sound file with the command that reads it; of ``made`` rows they are the same everywhere."""
    flat = [{key: str(row[key]) for key in ("instruction", "input", "output")} for row in flat_rows(made)]
    chats = (None if made else _real("sft/lima_1k_sharegpt.parquet", 0, 4)) or _made_chats(4)
    found = [Original("select", name, data, len(flat)) for name, data in _flat(flat).items()]
    found += [Original("select", name, data, len(chats)) for name, data in _nested(chats).items()]
    other = answers(flat, "other")
    found += [Original("judge", name, data, len(other)) for name, data in _flat(other).items()]
    reviews = _reviews(flat)
    found += [
        Original("replay", name, data, len(reviews))
        for name, data in _flat(reviews).items()
        if name.endswith((".json", ".jsonl", ".parquet"))
    ]
    found += [Original("run", "experiment.yaml", EXPERIMENT.encode(), 0)] * 2
    return tuple(found)
