"""A text scorer of one part of the response: the thought, or the answer after it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from handpicked.records import Better
from handpicked.records.response_parts import Part
from handpicked.scorers.scorer import ScoreColumn, Scorer

SAID = {
    "response": "the whole response: thought, answer and tool calls",
    "thought": "the thought alone",
    "answer": "the answer alone, without thought and tool calls",
}
"""What each part is, in words."""


@dataclass(frozen=True)
class OfPart:
    """``scorer`` as it scores the ``part`` of a response. A response without the part
    is scored as an empty text.
    """

    scorer: Scorer
    part: Part

    @property
    def name(self) -> str:
        """That of the scorer: the column does not change its name."""
        return self.scorer.name

    @property
    def unit(self) -> str:
        """That of the scorer."""
        return self.scorer.unit

    @property
    def better(self) -> Better:
        """That of the scorer."""
        return self.scorer.better

    @property
    def version(self) -> int:
        """That of the scorer."""
        return self.scorer.version

    @property
    def libraries(self) -> tuple[str, ...]:
        """Those of the scorer."""
        return self.scorer.libraries

    @property
    def missing(self) -> str:
        """That of the scorer."""
        return self.scorer.missing

    @property
    def columns(self) -> tuple[str, ...]:
        """The scorer's, with the part in place of the response."""
        return tuple(self.part if column == "response" else column for column in self.scorer.columns)

    @property
    def recorded(self) -> dict[str, object]:
        """That of the scorer."""
        return self.scorer.recorded

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        read = pa.RecordBatch.from_arrays(
            [batch[column] for column in self.columns], names=list(self.scorer.columns)
        )
        return self.scorer(read)


def of_part(scorer: Scorer, part: Part) -> Scorer | OfPart:
    """``scorer`` of a part of the response; itself for the whole, and where it does not read the response."""
    return OfPart(scorer, part) if part != "response" and "response" in scorer.columns else scorer


def whole(scorer: Scorer | OfPart) -> Scorer:
    """The scorer itself, for any part."""
    return scorer.scorer if isinstance(scorer, OfPart) else scorer


def part_of(scorer: ScoreColumn) -> Part | None:
    """The part of the response that a scorer reads; None where it reads none."""
    if isinstance(scorer, OfPart):
        return scorer.part
    return "response" if "response" in scorer.columns else None
