"""Scores that are already in a file: what a pool scorer left, looked up by row like any other column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from handpicked.records import Better, Cost
from handpicked.score.scorer import Scope

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Stored:
    """The column ``name`` of the scores in ``file`` (``pool_scorer.write_scores``). A row that is not there is null."""

    name: str
    file: str
    unit: str
    better: Better
    scope: Scope = "item"
    cost: Cost = "text"
    missing: str = "it was not scored (outside the sample), or its score could not be computed"

    @property
    def columns(self) -> tuple[str, ...]:
        """It needs the rows' numbers only."""
        return ("row",)

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        """The stored values of the batch's rows, float64."""
        import numpy as np
        import pyarrow as pa

        rows, values = _column(self.file, self.name)
        wanted = np.asarray(batch["row"].cast(pa.int64()))
        places = np.searchsorted(rows, wanted)
        found = np.isin(wanted, rows, assume_unique=True)
        return values.take(pa.array(np.where(found, places, 0), mask=~found))


@lru_cache(maxsize=8)
def _column(file: str, name: str) -> tuple[Any, pa.ChunkedArray]:
    """(rows, values), memory-mapped."""
    import pyarrow as pa

    with pa.memory_map(file) as source:
        table = pa.ipc.open_file(source).read_all()
    return table["row"].to_numpy(), table[name].combine_chunks()
