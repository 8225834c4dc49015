"""The rows that together cover all rows of the pool best."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from handpicked.errors import ConfigError
from handpicked.method import HIDDEN
from handpicked.records import Cost
from handpicked.selectors.clusters import load_faiss
from handpicked.selectors.coverage import KEPT, TILE, Coverage, Dense, Sparse, lazy_greedy
from handpicked.selectors.embeddings import Embeddings, candidates, columns_of
from handpicked.selectors.neighbours import nearest, neighbours_need
from handpicked.selectors.selector import Needs, Scores, Selector
from handpicked.selectors.shards import Deal, choose, largest, merge_need
from handpicked.selectors.vectors import BLOCK, Runs

MOST = 200_000
"""Rows up to which every two are compared: 2 n^2 d operations, half an hour on one core."""
ADVICE = "Set neighbours to 100: each row is then covered only by its 100 nearest."
SHARDS = "Or set shards, such as 64: each holds a part of the rows, and their choices are merged."
MORE_SHARDS = "Set more shards."
FEWER = "Set fewer shards, a smaller sample, or a smaller size."


@dataclass(frozen=True)
class FacilityLocation(Selector):
    """Greedy maximum of the facility location function: the sum over all rows of the cosine
    to the nearest row taken.

    Lazy greedy (Minoux 1978), exact with ``neighbours=None``; with a number each row is covered only by that
    many nearest rows, which needs no comparison of every two (``select.coverage`` has both). For text in Lin
    & Bilmes 2011, A Class of Submodular Functions for Document Summarization.

    With ``shards`` in two rounds (GreeDi: Mirzasoleiman et al. 2013, Distributed Submodular Maximization, arXiv
    1411.0541): rows are dealt to shards by a hash of (``seed``, id), each shard chooses ``size`` of its own
    rows, and the same greedy chooses ``size`` among these; the best shard's own choice is kept where it is
    better. Where coverage is measured on all rows, that reaches at least (1 - 1/e) / min(shards, size) of the
    best value there is, however the rows are dealt. Here, as in the paper's section on decomposable functions, a
    shard measures it on its own rows and the second round on a ``sample`` of all, both random parts: the
    bound holds up to the error of these estimates (and with ``neighbours`` for the function that they
    define). In practice the value is within a few percent of the unsharded one, if the sample is many times
    ``size``.
    """

    neighbours: Annotated[int, Field(gt=0)] | None = None
    """Nearest rows that may cover a row. None: all, for up to 200,000 rows."""
    shards: Annotated[int, Field(gt=0)] | None = None
    """Parts that choose on their own, one in memory at a time, before their choices are merged. None: the rows
    are not dealt."""
    sample: Annotated[int, Field(gt=0)] = 16_384
    """With shards: rows, drawn by ``seed``, on which the merge measures coverage."""
    seed: int = 0
    """With shards: seed of the deal and of the sample."""
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
            self._check(rows)

    def needs_of(self, rows: int, dimensions: int, size: int) -> Needs:
        """See ``Selector``."""
        if self.shards is None:
            return coverage_need(rows, dimensions, self.neighbours, SHARDS)
        shard = coverage_need(largest(rows, self.shards), dimensions, self.neighbours).bytes
        merge = merge_need(rows, dimensions, self.shards, size, self.sample)
        return Needs(max(shard + 40 * rows, merge), MORE_SHARDS if shard + 40 * rows >= merge else FEWER)

    def select(self, scores: Scores, size: int) -> np.ndarray:
        rows = candidates(scores, self.embeddings, ())
        self._check(len(rows))
        room = rows.afford(self, size)
        if not size or not len(rows):
            return np.empty(0, np.int64)
        cover = partial(coverage_of, neighbours=self.neighbours)
        if self.shards is None:
            return np.sort(rows.rows[lazy_greedy(cover(rows.embeddings, rows.places, room), size)])
        deal = Deal.of(rows, self.shards, self.sample, self.seed)
        return np.sort(rows.rows[choose(rows, deal, cover, size, scores, room)])

    def _check(self, rows: int) -> None:
        if self.shards is None:
            check_rows(rows, self.neighbours, self.name, SHARDS)
        else:
            each = -(-rows // self.shards)
            check_rows(
                each, self.neighbours, f"{self.name} with {self.shards:,} shards", "Or set more shards."
            )

    def why_not(self, size: int) -> str:
        return f"covered by the {size:,} rows taken (facility location)"


def check_rows(rows: int, neighbours: int | None, name: str, also: str = "") -> None:
    """Refuse to compare every two of too many rows (of a shard), before they are embedded; ``also`` is more
    advice.

    Raises:
        ConfigError: they are more than ``MOST``.
    """
    if neighbours is None and rows > MOST:
        raise ConfigError(
            f"{name}: {rows:,} rows are too many to compare every two ({rows**2:.0e} cosines); "
            f"{MOST:,} are the most. {f'{ADVICE} {also}'.strip()}"
        )


def coverage_need(rows: int, dimensions: int, neighbours: int | None, also: str = "") -> Needs:
    """What exact coverage, or coverage by neighbours, takes at the least."""
    if neighbours is None:
        pairs = 4 * rows**2 if 4 * rows**2 <= KEPT else 0
        return Needs(
            4 * dimensions * rows + pairs + 40 * rows + 64 * TILE * BLOCK // 4, f"{ADVICE} {also}".strip()
        )
    return Needs(
        neighbours_need(rows, dimensions, neighbours) + 40 * rows, f"Set fewer neighbours. {also}".strip()
    )


def coverage_of(embeddings: Embeddings, places: np.ndarray, room: float, neighbours: int | None) -> Coverage:
    """Exact coverage of the rows at these places of the embeddings, or by neighbours, whose index and vectors
    take ``room`` bytes at most.
    """
    whole = 4 * len(places) * embeddings.dimensions
    held = whole if neighbours is None else min(whole, room / 2)
    vectors = Runs(embeddings.take, places, embeddings.dimensions, held)
    if neighbours is None:
        return Dense(vectors[:])
    return Sparse(*nearest(vectors, neighbours, room=room - held))
