"""Which rows of a batch a guard drops: by a column's value, or by a list of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa


class Drop(Protocol):
    """Marks the rows of a batch that are dropped. ``name`` is the guard's, ``why`` its rule."""

    @property
    def name(self) -> str: ...

    @property
    def why(self) -> str: ...

    def drops(self, batch: pa.RecordBatch) -> np.ndarray:
        """Which rows of the batch are dropped (boolean)."""
        ...


@dataclass(frozen=True)
class Limit:
    """Drops rows whose ``column`` lies below ``low`` or above ``high``. A row without a value
    passes: nothing is known.
    """

    name: str
    column: str
    why: str
    low: float = float("-inf")
    high: float = float("inf")

    def drops(self, batch: pa.RecordBatch) -> np.ndarray:
        """Which rows of the batch are dropped."""
        # A null becomes NaN, of which neither comparison is true.
        values = batch[self.column].cast("float64").to_numpy(zero_copy_only=False)
        outside: np.ndarray = (values < self.low) | (values > self.high)
        return np.asarray(outside, dtype=bool)


@dataclass(frozen=True)
class Present:
    """Drops rows that have a value in ``column``."""

    name: str
    column: str
    why: str

    def drops(self, batch: pa.RecordBatch) -> np.ndarray:
        """Which rows of the batch are dropped."""
        found: np.ndarray = batch[self.column].is_valid().to_numpy(zero_copy_only=False)
        return found


@dataclass(frozen=True)
class Listed:
    """Drops the given ``rows`` (ascending), found by looking at the whole pool."""

    name: str
    rows: np.ndarray
    why: str

    def drops(self, batch: pa.RecordBatch) -> np.ndarray:
        """Which rows of the batch are dropped."""
        return is_listed(batch["row"].to_numpy(), self.rows)


def is_listed(rows: np.ndarray, listed: np.ndarray) -> np.ndarray:
    """Which of ``rows`` are among the ``listed`` ones, which ascend. The time hardly grows with the list."""
    if not len(listed):
        return np.zeros(len(rows), bool)
    places = np.minimum(np.searchsorted(listed, rows), len(listed) - 1)
    found: np.ndarray = listed[places] == rows
    return found
