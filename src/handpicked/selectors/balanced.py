"""The same number of rows from each group of the pool."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow.compute as pc

from handpicked.config import Measure
from handpicked.method import HIDDEN
from handpicked.selectors.random import random_keys
from handpicked.selectors.selector import Scores, Selector
from handpicked.selectors.topk import TopK, id_numbers, numbers


@dataclass(frozen=True)
class Balanced(Selector):
    """``size`` rows with an equal quota for each value of ``field``; within a group the longest by
    ``measure``, or, with ``measure=None``, random ones. What a small group cannot fill is shared out among
    the others, as evenly as they can.
    """

    field: str
    """The field of the pool, or the scorer, whose values are the groups."""
    measure: Measure | None = dataclasses.field(default=None, metadata=HIDDEN)
    seed: int = 0
    """Seed of its random choices."""
    name: ClassVar[str] = "balanced"
    about: ClassVar[str] = "the same number of rows for each value of a column (field)"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.field,) if self.measure is None else (self.field, self.measure)

    def select(self, scores: Scores, size: int) -> np.ndarray:
        groups = count_groups(scores, self.field, self.columns)
        if not groups:
            return np.empty(0, np.int64)
        names = sorted(groups)
        codes = {name: code for code, name in enumerate(names)}
        top = TopK(even_quotas([groups[name] for name in names], size))
        for batch in scores.batches(self.columns):
            valued = complete(batch, self.columns)
            ids = id_numbers(valued["id"])
            keys = (
                random_keys(ids, self.seed)
                if self.measure is None
                else numbers(valued[self.measure], self.measure)
            )
            top.add(group_codes(valued[self.field], codes), keys, ids, valued["row"].to_numpy())
        return top.rows()

    def why_not(self, size: int) -> str:
        return f"beyond its group's share of the {size:,} rows, balanced by {self.field}"


def complete(batch: Any, columns: tuple[str, ...]) -> Any:
    """The rows that have a value in every column."""
    for column in columns:
        batch = batch.filter(batch[column].is_valid())
    return batch


def count_groups(scores: Scores, field: str, columns: tuple[str, ...]) -> dict[str, int]:
    """Rows in each group (by the text of its value) that have a value in every column."""
    counts: dict[str, int] = {}
    for batch in scores.batches(columns):
        for one in pc.value_counts(complete(batch, columns)[field].cast("large_string")).to_pylist():
            counts[one["values"]] = counts.get(one["values"], 0) + one["counts"]
    return counts


def group_codes(values: Any, codes: dict[str, int]) -> np.ndarray:
    """The number of each row's group."""
    encoded = pc.dictionary_encode(values.cast("large_string"))
    places = np.array([codes[name] for name in encoded.dictionary.to_pylist()], dtype=np.int64)
    found: np.ndarray = places[encoded.indices.to_numpy(zero_copy_only=False)]
    return found


def even_quotas(available: list[int], size: int) -> np.ndarray:
    """``size`` shared out as evenly as ``available`` rows allow; what does not divide
    goes to the first groups.

    >>> even_quotas([100, 2, 100], 11).tolist()
    [5, 2, 4]"""
    rows = np.array(available, dtype=np.int64)
    size = min(size, int(rows.sum()))
    level = 0
    while level < rows.max(initial=0) and np.minimum(rows, level + 1).sum() <= size:
        level += max(1, int((size - np.minimum(rows, level).sum()) // len(rows)))
    quotas = np.minimum(rows, level)
    open_groups = np.flatnonzero(rows > level)
    quotas[open_groups[: size - int(quotas.sum())]] += 1
    found: np.ndarray = quotas
    return found
