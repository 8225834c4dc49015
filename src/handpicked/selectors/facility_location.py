"""The rows that together cover all rows of the pool best."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from handpicked.errors import ConfigError
from handpicked.method import HIDDEN
from handpicked.records import Cost
from handpicked.selectors.clusters import load_faiss
from handpicked.selectors.coverage import KEPT, TILE, Coverage, Dense, Sparse, lazy_greedy
from handpicked.selectors.embeddings import Candidates, Embeddings, candidates, columns_of
from handpicked.selectors.neighbours import nearest, neighbours_need
from handpicked.selectors.selector import Needs, Scores, Selector
from handpicked.selectors.vectors import BLOCK

MOST = 200_000
"""Rows up to which every two are compared: 2 n^2 d operations, half an hour on one core."""
ADVICE = "Set neighbours to 100: each row is then covered only by its 100 nearest."


@dataclass(frozen=True)
class FacilityLocation(Selector):
    """Greedy maximum of the facility location function: the sum over all rows of the cosine
    to the nearest row taken.

    Lazy greedy (Minoux 1978), exact with ``neighbours=None``; with a number each row is covered only by that
    many nearest rows, which needs no comparison of every two (``select.coverage`` has both). For text in Lin
    & Bilmes 2011, A Class of Submodular Functions for Document Summarization.
    """

    neighbours: Annotated[int, Field(gt=0)] | None = None
    """Nearest rows that may cover a row. None: all, for up to 200,000 rows."""
    embeddings: Embeddings | None = field(default=None, repr=False, metadata=HIDDEN)
    name: ClassVar[str] = "facility-location"
    cost: ClassVar[Cost] = "embedding"
    about: ClassVar[str] = "the rows that together cover all rows best"
    source: ClassVar[str] = "Lin & Bilmes 2011"
    needs: ClassVar[str] = "embed; demo"
    compares_meaning: ClassVar[bool] = True
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "faiss-gpu", "numpy", "scipy")

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.embeddings)

    def check(self, rows: int | None) -> None:
        """See ``Selector``: too many rows to compare every two."""
        load_faiss()
        if rows is not None:
            check_rows(rows, self.neighbours, self.name)

    def needs_of(self, rows: int, dimensions: int, size: int) -> Needs:
        """See ``Selector``."""
        del size
        return coverage_need(rows, dimensions, self.neighbours)

    def select(self, scores: Scores, size: int) -> np.ndarray:
        rows = candidates(scores, self.embeddings, ())
        check_rows(len(rows), self.neighbours, self.name)
        room = rows.afford(self, size)
        if not size or not len(rows):
            return np.empty(0, np.int64)
        return np.sort(rows.rows[lazy_greedy(coverage_of(rows, self.neighbours, room), size)])

    def why_not(self, size: int) -> str:
        return f"covered by the {size:,} rows taken (facility location)"


def check_rows(rows: int, neighbours: int | None, name: str) -> None:
    """Refuse to compare every two of too many rows, before they are embedded.

    Raises:
        ConfigError: they are more than ``MOST``.
    """
    if neighbours is None and rows > MOST:
        raise ConfigError(
            f"{name}: {rows:,} rows are too many to compare every two ({rows**2:.0e} cosines); "
            f"{MOST:,} are the most. {ADVICE}"
        )


def coverage_need(rows: int, dimensions: int, neighbours: int | None) -> Needs:
    """What exact coverage, or coverage by neighbours, takes at the least."""
    if neighbours is None:
        pairs = 4 * rows**2 if 4 * rows**2 <= KEPT else 0
        return Needs(4 * dimensions * rows + pairs + 40 * rows + 64 * TILE * BLOCK // 4, ADVICE)
    return Needs(neighbours_need(rows, dimensions, neighbours) + 40 * rows, "Set fewer neighbours.")


def coverage_of(rows: Candidates, neighbours: int | None, room: float) -> Coverage:
    """Exact coverage, or by neighbours, whose index and vectors take ``room`` bytes at most."""
    if neighbours is None:
        return Dense(rows.vectors)
    held = min(rows.bytes, room / 2)
    return Sparse(*nearest(rows.within(held), neighbours, room=room - held))
