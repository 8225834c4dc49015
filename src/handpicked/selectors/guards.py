"""Filters drop rows before selection. Like selectors they read only score columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from handpicked.selectors.topk import id_numbers

if TYPE_CHECKING:
    from handpicked.selectors.selector import Scores


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
        return np.isin(batch["row"].to_numpy(), self.rows)


Guard = Limit | Present | Listed


def exact_duplicates(scores: Scores) -> np.ndarray:
    """Every row whose id a row before it has (24 bytes of memory a row)."""
    return exact_copies(scores)[0]


def exact_copies(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Every row (ascending) whose id a row before it has, and of each the first such row."""
    parts = [
        (*id_numbers(batch["id"]), batch["row"].to_numpy()) for batch in scores.batches(()) if len(batch)
    ]
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    high, low, rows = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((rows, low, high))
    same = np.zeros(len(order), bool)
    same[1:] = (high[order][1:] == high[order][:-1]) & (low[order][1:] == low[order][:-1])
    group = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
    copies, firsts = rows[order][same], rows[order][group[same]]
    ascending = np.argsort(copies)
    return copies[ascending], firsts[ascending]
