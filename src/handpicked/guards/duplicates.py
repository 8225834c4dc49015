"""Exact duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from handpicked.guards.drop import Drop, Listed
from handpicked.guards.guard import Guard
from handpicked.selectors.selector import Scores
from handpicked.selectors.topk import id_numbers
from handpicked.store.spilled import in_order, packed, unpacked


@dataclass(frozen=True)
class Duplicates(Guard):
    """Drops every row with the id (hash of the messages) of an earlier row."""

    name: ClassVar[str] = "duplicates"
    about: ClassVar[str] = "drops all but the first of exact duplicates"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    audited: ClassVar[bool] = True

    @property
    def rule(self) -> str:
        return "an earlier row has the same messages"

    def make(self, scores: Scores) -> Drop:
        return Listed(self.name, exact_duplicates(scores), self.rule)


def exact_duplicates(scores: Scores) -> np.ndarray:
    """Every row (ascending) with the id of an earlier row."""
    return exact_copies(scores)[0]


def exact_copies(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Every row (ascending) with the id of an earlier row, and the first row with that id.

    Ids and rows are put in order by parts in ``scores.folder``: memory is 16 bytes a copy, and the same for
    any number of rows beside; disk is 24 bytes a row.
    """
    records = (
        packed(*id_numbers(batch["id"]), batch["row"].to_numpy())
        for batch in scores.batches(())
        if len(batch)
    )
    copies, firsts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    last: tuple[np.uint64, np.uint64] | None = None
    first = np.uint64(0)  # the first row with the id ``last``
    for high, low, rows in map(unpacked, in_order(records, scores.folder)):
        same = np.empty(len(rows), bool)
        same[0] = last == (high[0], low[0])
        same[1:] = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
        group = np.maximum.accumulate(np.where(same, -1, np.arange(len(rows))))
        repeated = np.where(group < 0, first, rows[group])
        copies.append(rows[same].astype(np.int64))
        firsts.append(repeated[same].astype(np.int64))
        last, first = (high[-1], low[-1]), repeated[-1]
    found = np.concatenate(copies)
    ascending = np.argsort(found)
    return found[ascending], np.concatenate(firsts)[ascending]
