"""What a selector is, and what it chooses from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Scores:
    """The score columns of the rows that may be selected, as a stream that can be read again and again.

    ``batches(columns)`` yields batches in pool order that hold ``row`` (int64), ``id`` (string, 32 hex digits) and the
    named columns. ``rows`` counts all their rows, with or without a value.
    """

    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    rows: int

    @staticmethod
    def of(table: pa.Table) -> Scores:
        """The scores of a table that is already in memory."""
        return Scores(
            lambda columns: iter(table.select(["row", "id", *columns]).to_batches()), table.num_rows
        )


class Selector(Protocol):
    """A frozen dataclass that chooses rows from score columns. It never reads text.

    The same scores, size and seed give the same rows, whatever their order and however they are split into batches.
    Rows of equal rank are taken in order of ``id``, then ``row``.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Raised when the same scores, size and seed give other rows or reasons, and only then (``fingerprint.Method``)."""
        ...

    @property
    def libraries(self) -> tuple[str, ...]:
        """The distributions that compute the choice, where their versions may change it."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The score columns, or columns of the pool, that it needs."""
        ...

    def select(self, scores: Scores, size: int) -> np.ndarray[Any, Any]:
        """The chosen rows, ascending (int64): exactly ``size`` of them, or fewer when fewer have a value.

        Raises:
            ConfigError: the choice cannot be made from these scores.
        """
        ...

    def why_not(self, size: int) -> str:
        """The reason given to a row that could have been chosen and was not."""
        ...
