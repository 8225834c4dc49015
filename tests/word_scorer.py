"""A pool scorer that needs no model: it counts words, keeps a journal, and can be
made to fail after some rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from handpicked import catalogue
from handpicked.errors import EndpointError
from handpicked.progress import Progress
from handpicked.records import Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.pool_scorer import PoolScorer, write_scores
from handpicked.store.journal import append, recover

done: list[int] = []
"""Rows that were really computed, in order."""
stop_after: list[int] = []
"""How many rows until the endpoint goes away, when there is one."""


def ship(monkeypatch: pytest.MonkeyPatch, scorer: type[PoolScorer]) -> None:
    """Let the catalogue know ``scorer`` for one test, as if its file lay among the others."""
    monkeypatch.setitem(catalogue.SCORERS.shipped, scorer.name, scorer)
    monkeypatch.setitem(
        catalogue._in_package(catalogue.SCORERS, "handpicked.scorers.model"), scorer.name, scorer
    )


@dataclass(frozen=True)
class Row:
    row: int
    value: float | None
    reason: str | None


@dataclass(frozen=True)
class Words(PoolScorer):
    model: str = "none"
    name: ClassVar[str] = "wordy"
    values: ClassVar[tuple[str, ...]] = ("wordy", "wordy_half")
    unit: ClassVar[str] = "words"
    better: ClassVar[Any] = "high"
    scope: ClassVar[Any] = "item"
    cost: ClassVar[Any] = "model forward"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ("torch",)

    def identity(self) -> str:
        return f"counted by {self.model}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        return Forecast(f"{pool.rows if rows is None else len(rows)} rows, no time", 0.0)

    def score(self, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress) -> None:
        journal = work / "rows.jsonl"
        known = {record["row"] for record in recover(journal)}
        for example in pool.examples(rows):
            if example.row in known:
                continue
            if stop_after and len(done) >= stop_after[0]:
                raise EndpointError("the endpoint went away")
            done.append(example.row)
            words = len(example.response.split())
            append(journal, [Row(example.row, words or None, None if words else "the response is empty")])
        table = pa.Table.from_pylist(
            recover(journal),
            pa.schema([("row", pa.int64()), ("value", pa.float64()), ("reason", pa.string())]),
        )
        half = pa.compute.divide(table["value"], 2.0)
        write_scores(
            work,
            pa.table(
                {"row": table["row"], "wordy": table["value"], "wordy_half": half, "reason": table["reason"]}
            ),
        )
