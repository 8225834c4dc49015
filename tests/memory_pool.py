"""A small pool in memory whose shards and batches can be cut at will, for tests of
what must not depend on them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from handpicked.data.turn_columns import tool_turns, turn_roles
from handpicked.records import AtHand, Example, Message, Rejected, messages_id

NUMBERS = ("quality",)
"""Fields that hold numbers; all others hold text."""


@dataclass(frozen=True)
class MemoryShard:
    examples: tuple[Example | Rejected, ...]
    first_row: int
    batch: int

    @property
    def rows(self) -> int:
        return len(self.examples)

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        readable = [one for one in self.examples if isinstance(one, Example)]
        for begin in range(0, len(readable), self.batch):
            part = readable[begin : begin + self.batch]
            yield pa.RecordBatch.from_arrays(
                [self._column(part, name) for name in columns], names=list(columns)
            )

    @staticmethod
    def _column(part: Sequence[Example], name: str) -> pa.Array:
        if name == "row":
            return pa.array([one.row for one in part], pa.int64())
        if name in ("id", "source"):
            return pa.array([getattr(one, name) for one in part], pa.string())
        if name in ("prompt", "response"):
            return pa.array([getattr(one, name) for one in part], pa.large_string())
        if name in ("turn_roles", "tool_turns"):
            make = {"turn_roles": turn_roles, "tool_turns": tool_turns}[name]
            return pa.array([make(one.messages) for one in part], pa.large_string())
        values = [one.original.get(name) for one in part]
        return pa.array(values, pa.float64() if name in NUMBERS else pa.large_string())


class MemoryPool:
    """Rows as dictionaries with ``prompt``, ``response`` and any other field; a
    row of ``None`` is rejected.
    """

    format = "memory"
    why = "made by a test"

    def __init__(self, rows: Sequence[Mapping[str, Any] | None], shards: int = 1, batch: int = 1000) -> None:
        self.rows = len(rows)
        self._all = tuple(_example(place, row) for place, row in enumerate(rows))
        cuts = [self.rows * index // shards for index in range(shards + 1)]
        self.shards = [
            MemoryShard(self._all[begin:end], begin, batch)
            for begin, end in itertools.pairwise(cuts)
            if end > begin
        ]

    def examples(self, rows: Sequence[int] | None = None) -> Iterator[Example]:
        wanted = range(self.rows) if rows is None else rows
        return (one for row in wanted if isinstance(one := self._all[row], Example))

    def rejected(self) -> Iterator[Rejected]:
        return (one for one in self._all if isinstance(one, Rejected))

    def inputs(self) -> Sequence[Mapping[str, Any]]:
        return [{"path": "memory", "rows": self.rows}]

    def write(
        self,
        rows: Sequence[int],
        out: Path,
        format: str = "original",
        container: str | None = None,
        at_hand: AtHand | None = None,
    ) -> Path:
        file = out / "selected.jsonl"
        file.write_text("".join(json.dumps(dict(one.original)) + "\n" for one in self.examples(rows)))
        return file


def _example(row: int, original: Mapping[str, Any] | None) -> Example | Rejected:
    if original is None:
        return Rejected(row, "memory", f"row {row}", "the row is null")
    messages = (Message("user", original["prompt"]), Message("assistant", original["response"]))
    return Example(
        row,
        messages_id(messages),
        messages,
        original["prompt"],
        original["response"],
        "memory",
        original,
    )
