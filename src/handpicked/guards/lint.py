"""A guard that finds what is wrong with a row by looking at that row alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.guards.drop import Drop, Present
from handpicked.guards.guard import Guard
from handpicked.scorers.scorer import Scorer
from handpicked.selectors.selector import Scores

FINDING = "what is wrong"
"""The unit of a column that says what is wrong with a row."""


class Lint(Guard):
    """Drops the rows in which it ``find`` s something. What it found is a column of the scores: ``column``."""

    reads: ClassVar[tuple[str, ...]] = ("response",)
    """The columns of a pool that it reads, of those that ``Shard.read`` offers."""
    fault: ClassVar[str]
    """What is wrong with a row that it drops, as a clause: "its turns are out of order"."""

    @abstractmethod
    def find(self, batch: pa.RecordBatch) -> pa.Array:
        """What is wrong with each row of the batch, in a few words; null where nothing is."""

    @property
    def column(self) -> str:
        """The name of the column with what it found."""
        return self.name.replace("-", "_")

    @property
    def rule(self) -> str:
        return self.fault

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        return (Finding(self),)

    def make(self, scores: Scores) -> Drop:
        return Present(self.name, self.column, f"{self.rule} (column {self.column} says which)")


@dataclass(frozen=True)
class Finding(Scorer):
    """What a guard finds wrong with each row, as a score column."""

    guard: Lint

    listed: ClassVar[bool] = False
    unit: ClassVar[str] = FINDING
    missing: ClassVar[str] = "nothing was found"

    @property
    def name(self) -> str:  # type: ignore[override]  # these four are the guard's
        return self.guard.column

    @property
    def version(self) -> int:  # type: ignore[override]
        return self.guard.version

    @property
    def libraries(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.guard.libraries

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.guard.reads

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        return self.guard.find(batch).cast(pa.string())


def found_in(texts: pa.Array, pattern: str, find: Callable[[str], str | None]) -> pa.Array:
    """What ``find`` reports of each text, or null. It looks only at texts that match ``pattern`` (RE2), which
    is fast to search.
    """
    found: list[str | None] = [None] * len(texts)
    matches = pc.fill_null(pc.match_substring_regex(texts, pattern), False)
    for index in np.flatnonzero(matches.to_numpy(zero_copy_only=False)).tolist():
        found[index] = find(texts[index].as_py())
    return pa.array(found, pa.string())


def found_once(texts: pa.Array, find: Callable[[str], str | None]) -> pa.Array:
    """What ``find`` reports of each text, or null; equal texts are looked at once. Null texts
    are not looked at.
    """
    known = texts.dictionary_encode()
    said = pa.array([find(text) for text in known.dictionary.to_pylist()], pa.string())
    return said.take(known.indices)
