"""Exact duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from handpicked.guards.drop import Drop, Listed
from handpicked.guards.guard import Guard
from handpicked.records import Cost
from handpicked.selectors.selector import Scores
from handpicked.selectors.topk import id_numbers


@dataclass(frozen=True)
class Duplicates(Guard):
    """Drops every row with the id (hash of the messages) of an earlier row. Needs 24 bytes of memory a row."""

    name: ClassVar[str] = "duplicates"
    about: ClassVar[str] = "drops all but the first of exact duplicates"
    cost: ClassVar[Cost] = "text"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    audited: ClassVar[bool] = True

    @property
    def rule(self) -> str:
        return "an earlier row has the same messages"

    def make(self, scores: Scores) -> Drop:
        return Listed(self.name, exact_duplicates(scores), self.rule)


def exact_duplicates(scores: Scores) -> np.ndarray:
    """Every row with the id of an earlier row. Needs 24 bytes of memory a row."""
    return exact_copies(scores)[0]


def exact_copies(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Every row (ascending) with the id of an earlier row, and the first row with that id."""
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
