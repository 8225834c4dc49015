"""The contract of a selector, and the scores that it chooses from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from handpicked.method import Method
from handpicked.progress import SILENT, Progress
from handpicked.workers import THIS_PROCESS, Workers

SizeRule = Literal["needed", "optional", "none"]
"""Whether a selector must be given a size, may be given one, or takes none."""


@dataclass(frozen=True)
class Scores:
    """The score columns of the rows that may be selected, as a stream that can be read again and again.

    ``batches(columns)`` yields batches in pool order that hold ``row`` (int64), ``id`` (string, 32 hex
    digits) and the named columns. ``rows`` counts all their rows, with or without a value. ``folder`` is where
    what does not belong into memory may wait (None: the temporary folder). ``workers`` do what a selector cuts
    into parts, and ``progress`` shows it.
    """

    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    rows: int
    folder: Path | None = None
    workers: Workers = THIS_PROCESS
    progress: Progress = SILENT

    @staticmethod
    def of(table: pa.Table) -> Scores:
        """The scores of a table that is already in memory."""
        return Scores(
            lambda columns: iter(table.select(["row", "id", *columns]).to_batches()), table.num_rows
        )


@dataclass(frozen=True)
class Extreme:
    """A choice of the rows with the highest (or lowest) values of one column, independent of all else."""

    column: str
    highest: bool


@dataclass(frozen=True)
class Needs:
    """The least memory in ``bytes`` that a selector works in, and what to do ``instead`` where there is less."""

    bytes: float
    instead: str = "Give a smaller pool (a prefilter first)."


class Selector(Method, ABC):
    """Chooses rows from score columns. It never reads text.

    The same scores, size and seed give the same rows, in any order and any split into batches. Rows of equal
    rank are taken in order of ``id``, then ``row``.
    """

    compares_meaning: ClassVar[bool] = False
    """Whether it works on sentence embeddings. They are put into its field ``embeddings`` before it selects.
    """

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The score columns, or columns of the pool, that it needs."""

    @property
    def length_columns(self) -> tuple[str, ...]:
        """Those of ``columns`` that are response lengths: they are computed even if the pool
        has fields of their names.
        """
        measure: str | None = getattr(self, "measure", None)
        return () if measure is None else (measure,)

    @property
    def size_rule(self) -> SizeRule:
        """Whether it needs a size: how many rows to keep."""
        return "needed"

    def size_without(self, rows: int) -> int:
        """How many of ``rows`` it takes where no size is given."""
        return rows

    @property
    def copies(self) -> str | None:
        """The folder of another subset whose response lengths and ids it needs;
        ``with_subset`` takes them in.
        """
        return None

    def with_subset(self, lengths: Sequence[int], ids: Iterable[str]) -> Selector:
        """The selector that knows the subset which it ``copies``."""
        del lengths, ids
        return self

    @property
    def ranks_by(self) -> str | None:
        """The column whose better rows it takes first, where the column's scorer says
        which end is the better one.
        """
        return None

    def directed(self, highest: bool | None, ceiling: float | None) -> Selector:
        """The selector that knows whether the highest values of ``ranks_by`` are the best,
        and the highest that counts.

        Raises:
            ConfigError: neither user nor scorer says which end is the better one (``highest`` is None).
        """
        del highest, ceiling
        return self

    def with_embeddings(self, embeddings: Any) -> Selector:
        """The selector with the embeddings that it ``compares_meaning`` by."""
        return replace(self, embeddings=embeddings)  # type: ignore[type-var]

    def needs_of(self, rows: int, dimensions: int, size: int) -> Needs:
        """What it needs at the least to choose ``size`` of ``rows`` by embeddings of ``dimensions`` numbers,
        besides the program and a row's number, id, place and value. More makes it faster and changes nothing.
        """
        del rows, dimensions, size
        return Needs(0)

    @property
    def leaves_out(self) -> str:
        """Why it never takes some rows that have every value."""
        return "are outside of what it chooses from"

    @property
    def extreme(self) -> Extreme | None:
        """The column whose highest or lowest values it takes, where that is all that it does."""
        return None

    def check(self, rows: int | None) -> None:
        """Checks that need no scores; ``rows`` are those it chooses from, None where this is not known.

        Raises:
            ConfigError: the choice cannot be made. MissingPart: something must be installed.
        """

    @abstractmethod
    def select(self, scores: Scores, size: int) -> np.ndarray:
        """The chosen rows, ascending (int64): exactly ``size`` of them, or fewer when fewer have a value.

        Raises:
            ConfigError: the choice cannot be made from these scores.
        """

    def why_not(self, size: int) -> str:
        """The reason given to a row that could have been chosen and was not."""
        return f"not among the {size:,} rows that {self.name} takes"
