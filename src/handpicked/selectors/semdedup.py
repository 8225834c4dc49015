"""Rows without their semantic duplicates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from handpicked.errors import ConfigError
from handpicked.method import HIDDEN, called
from handpicked.records import Cost
from handpicked.selectors.clusters import FEWER, SAMPLE, cluster, clusters_need, load_faiss
from handpicked.selectors.embeddings import DECIMALS, Embeddings, candidates, columns_of
from handpicked.selectors.ranked import quality_end
from handpicked.selectors.selector import Needs, Scores, Selector, SizeRule
from handpicked.selectors.topk import TopK
from handpicked.selectors.vectors import BLOCK, Runs, Vectors

AHEAD = 64 << 20
"""Bytes of vectors that are read ahead, cluster by cluster."""


@dataclass(frozen=True)
class SemDeDup(Selector):
    """SemDeDup (Abbas et al. 2023, arXiv 2303.09540): within each K-Means cluster a row goes when its cosine
    to a row ranked before it is above ``threshold`` (the paper's 1 - epsilon).

    Ranked first are the rows far from their centroid, as in the paper, or, with ``column``, the best by it.
    ``size`` rows with the lowest such cosine remain: with ``threshold`` None, that is the paper's epsilon
    chosen so that this many remain. ``clusters`` None is sqrt(n).
    """

    column: str | None = field(default=None, metadata=called("field"))
    """The scorer, or the field of the pool, whose better rows come first. None: rows
    far from their centroid do.
    """
    highest: bool | None = None
    """Whether the highest values are the best. None: what the scorer says, for a
    field of the pool the highest.
    """
    ceiling: float | None = None
    """The highest value that counts. None: what the scorer says (IFD: 1); ``.inf``: there is none."""
    threshold: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Rows with a higher cosine are too similar. None: as many remain as ``size`` says."""
    clusters: Annotated[int, Field(gt=0)] | None = None
    """How many clusters. None: sqrt(n)."""
    sample: Annotated[int, Field(gt=0)] = SAMPLE
    """Rows a cluster that centroids are computed from. Of a larger pool so many are drawn by ``seed``; every
    row is then assigned.
    """
    seed: int = 0
    """Seed of its random choices."""
    embeddings: Embeddings | None = field(default=None, repr=False, metadata=HIDDEN)
    name: ClassVar[str] = "semdedup"
    cost: ClassVar[Cost] = "embedding"
    about: ClassVar[str] = "the rows that are least similar to one ranked before them in their cluster"
    source: ClassVar[str] = "Abbas et al. 2023, arXiv 2303.09540"
    needs: ClassVar[str] = "embed; demo"
    compares_meaning: ClassVar[bool] = True
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "faiss-gpu", "numpy")

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.embeddings, self.column)

    @property
    def size_rule(self) -> SizeRule:
        """A threshold alone says what remains."""
        return "needed" if self.threshold is None else "optional"

    def check(self, rows: int | None) -> None:
        """See ``Selector``."""
        load_faiss()

    @property
    def ranks_by(self) -> str | None:
        """See ``Selector``."""
        return self.column

    def directed(self, highest: bool | None, ceiling: float | None) -> SemDeDup:
        """See ``Selector``."""
        return replace(
            self, **quality_end(self.name, self.column, self.highest, self.ceiling, highest, ceiling)
        )

    def needs_of(self, rows: int, dimensions: int, size: int) -> Needs:
        """See ``Selector``."""
        del size
        sorting = 100 * rows + AHEAD + 16 * dimensions * BLOCK
        return Needs(clusters_need(rows, dimensions, self._count(rows), self.sample) + sorting, FEWER)

    def _count(self, rows: int) -> int:
        """The number of clusters of so many rows."""
        return max(1, round(rows**0.5)) if self.clusters is None else self.clusters

    def select(self, scores: Scores, size: int) -> np.ndarray:
        columns = () if self.column is None else (self.column,)
        rows = candidates(scores, self.embeddings, columns, self.ceiling)
        if not len(rows):
            return np.empty(0, np.int64)
        count = self._count(len(rows))
        if count > len(rows):
            raise ConfigError(
                f"clusters: {count:,} clusters of {len(rows):,} rows. Lower clusters, or leave it out."
            )
        room = rows.afford(self, size)
        vectors = rows.within(room)
        found = cluster(vectors, count, self.seed, sample=self.sample)
        first = found.nearness
        if self.column is not None:
            first = rows.values[self.column] * (1 if self.highest is False else -1)
        cosines = earlier(vectors, found.labels, first, max(room, AHEAD))
        kept = np.ones(len(rows), bool) if self.threshold is None else cosines <= self.threshold
        top = TopK(np.array([size]))
        ids = (rows.ids[0][kept], rows.ids[1][kept])
        top.add(np.zeros(int(kept.sum()), np.int64), -cosines[kept], ids, rows.rows[kept])
        return top.rows()

    def why_not(self, size: int) -> str:
        return "more similar to a row of its cluster that ranks before it than the rows kept are"


def earlier(vectors: Runs, labels: np.ndarray, first: np.ndarray, room: float = AHEAD) -> np.ndarray:
    """For each row the highest cosine to a row of its cluster that comes before it by ``first`` (ascending,
    then place), to six decimals, so that rounding errors break no ties.

    float64 [n]; -1 for the first of a cluster. Vectors are read cluster by cluster, ``room`` bytes at a time;
    of a larger cluster in blocks, again and again.
    """
    found = np.full(len(labels), -1.0)
    order = np.lexsort((np.arange(len(labels)), first, labels))
    cuts = [0, *(np.flatnonzero(np.diff(labels[order])) + 1).tolist(), len(order)]
    runs = vectors.reordered(order, AHEAD if vectors.whole else room)
    fits = room // (4 * vectors.shape[1])
    for start, end in pairwise(cuts):
        members = order[start:end]
        own: Vectors = runs[start:end] if end - start <= fits else _Members(vectors, members)
        found[members] = _earlier_of(own)
    return np.round(found, DECIMALS)


def _earlier_of(own: Vectors) -> np.ndarray:
    """For each vector of one cluster the highest cosine to one before it (float64 [n])."""
    found = np.full(len(own), -1.0)
    for begin in range(0, len(own), BLOCK // 4):
        rows = own[begin : begin + BLOCK // 4]
        best = found[begin : begin + BLOCK // 4]
        for start in range(0, begin + 1, BLOCK // 4):
            cosines = rows @ own[start : start + BLOCK // 4].T
            if start == begin:
                cosines[np.triu_indices(len(cosines))] = -1
            np.maximum(best, cosines.max(axis=1), out=best)
    return found


class _Members:
    """The vectors of a cluster that is too large to hold: each slice is an array of its own."""

    def __init__(self, vectors: Vectors, members: np.ndarray) -> None:
        self._vectors, self._members = vectors, members
        self.shape = (len(members), vectors.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Any, /) -> np.ndarray:
        return self._vectors[self._members[which]]
