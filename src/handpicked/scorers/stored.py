"""Stored scores of a pool scorer, read by row like any other column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.records import Better, Cost
from handpicked.scorers.scorer import Scope


@dataclass(frozen=True)
class Stored:
    """The column ``name`` of the scores in ``file`` (``pool_scorer.write_scores``). A row
    that is not there is null.

    ``reasons`` names the column (of ``StoredReason``) that says why a value is null; ``about`` is the
    manifest's entry on how the scores were made.
    """

    name: str
    file: str
    unit: str
    better: Better
    scope: Scope = "item"
    cost: Cost = "text"
    missing: str = "it was not scored (outside the sample), or its score could not be computed"
    reasons: str | None = None
    about: Mapping[str, object] = field(default_factory=dict, hash=False)
    version: ClassVar[int] = 1  # of looking up; the scorer that made the values states its own
    libraries: ClassVar[tuple[str, ...]] = ()

    @property
    def recorded(self) -> dict[str, object]:
        """Its fields say all of it."""
        return {}

    @property
    def columns(self) -> tuple[str, ...]:
        """It needs the rows' numbers only."""
        return ("row",)

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        """The stored values of the batch's rows, float64."""
        return _lookup(self.file, self.name, batch)[1]


@dataclass(frozen=True)
class StoredReason:
    """Why the values of a pool scorer are null, row by row; null where they are not. ``outside``: why
    a row is not in ``file``.
    """

    name: str
    file: str
    outside: str
    unit: str = "text"
    better: Better = "none"
    scope: Scope = "item"
    cost: Cost = "text"
    missing: str = "the row has a value"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ()

    @property
    def recorded(self) -> dict[str, object]:
        """Its fields say all of it."""
        return {}

    @property
    def columns(self) -> tuple[str, ...]:
        """It needs the rows' numbers only."""
        return ("row",)

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        """The reason of each of the batch's rows, string."""
        found, reasons = _lookup(self.file, "reason", batch)
        return pc.if_else(pa.array(found), reasons, pa.scalar(self.outside, reasons.type))


def _lookup(file: str, name: str, batch: pa.RecordBatch) -> tuple[np.ndarray, pa.Array]:
    """Which of the batch's rows are in ``file``, and their values of column
    ``name``, null where they are not.
    """
    rows, values = _column(file, name, Path(file).stat().st_mtime_ns)
    wanted = np.asarray(batch["row"].cast(pa.int64()))
    places = np.searchsorted(rows, wanted)
    found = np.isin(wanted, rows, assume_unique=True)
    return found, values.take(pa.array(np.where(found, places, 0), mask=~found))


@lru_cache(maxsize=8)
def _column(file: str, name: str, modified: int) -> tuple[np.ndarray, pa.ChunkedArray]:
    """(rows, values), memory-mapped."""
    del modified  # part of the cache's key: the file may have been rewritten
    with pa.memory_map(file) as source:
        table = pa.ipc.open_file(source).read_all()
    return table["row"].to_numpy(), table[name].combine_chunks()
