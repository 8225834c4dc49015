"""The languages of answers, where the detector of the guard ``language`` is installed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from handpicked.errors import MissingPart
from handpicked.guards.language import Language
from handpicked.pool_audit.record import Languages
from handpicked.pool_audit.values import ValueTally

SAMPLE = 20_000
"""Rows whose language is looked at, at most: two seconds of one core."""
UNKNOWN = ""
"""Marks an answer whose language is not recognised."""


@dataclass(frozen=True)
class AnswerLanguage:
    """The language of the answers of the rows ``chosen`` (ascending), as an ISO 639 code; null of others."""

    chosen: np.ndarray = field(compare=False)
    name: str = "language of the answer"
    columns: tuple[str, ...] = ("row", "answer")

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        detector = Language()
        found: list[str | None] = [None] * len(batch)
        if len(batch):
            for place in np.flatnonzero(np.isin(batch["row"].to_numpy(), self.chosen)).tolist():
                found[place] = detector.language_of(batch["answer"][place].as_py() or "") or UNKNOWN
        return pa.array(found, pa.string())


def answer_language(rows: int) -> AnswerLanguage | None:
    """The languages of a pool of ``rows`` rows, or of a random sample of them with a fixed seed; None without
    the detector.
    """
    try:
        Language().check()
    except MissingPart:
        return None
    every = range(rows)
    chosen = every if rows <= SAMPLE else sorted(random.Random(0).sample(every, SAMPLE))
    return AnswerLanguage(np.array(chosen, np.int64))


class LanguageTally:
    """Counts the languages in the column of ``scorer``."""

    def __init__(self, scorer: AnswerLanguage) -> None:
        self._column = scorer.name
        self._values = ValueTally("language of the answer")
        self._rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count those of a batch."""
        for found in batch[self._column].drop_null().value_counts().to_pylist():
            self._rows += found["counts"]
            self._values.count(found["values"] or None, found["counts"])

    def result(self, readable: int) -> Languages:
        """What was counted."""
        return Languages(self._rows, readable, self._values.result())
