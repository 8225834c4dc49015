"""Score columns of the audit: a scorer's values under another name, or of another text."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.of_part import OfPart

PARTS = ("prompt", "response", "thought", "answer")
"""The texts of a row whose lengths are measured."""


@dataclass(frozen=True)
class Renamed:
    """The column ``name`` with the values of ``scorer``, which reads the columns ``reads`` as its own."""

    scorer: Scorer | OfPart
    name: str
    reads: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """What it reads."""
        return self.reads

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        own = [batch[column] for column in self.reads]
        return self.scorer(pa.RecordBatch.from_arrays(own, names=list(self.scorer.columns)))


def length_column(part: str) -> str:
    """The name of the column with the lengths of a part."""
    return f"length of {part}"


def length_columns(measure: Scorer) -> list[Renamed]:
    """The lengths of every part in this measure."""
    return [Renamed(measure, length_column(part), (part,)) for part in PARTS]
