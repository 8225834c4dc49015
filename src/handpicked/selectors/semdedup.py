"""Rows without their semantic duplicates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from handpicked.errors import ConfigError
from handpicked.method import HIDDEN, called
from handpicked.records import Cost
from handpicked.selectors.clusters import cluster, load_faiss
from handpicked.selectors.embeddings import BLOCK, DECIMALS, Embeddings, afford, candidates, columns_of
from handpicked.selectors.ranked import quality_end
from handpicked.selectors.selector import Scores, Selector, SizeRule
from handpicked.selectors.topk import TopK


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

    def select(self, scores: Scores, size: int) -> np.ndarray:
        columns = () if self.column is None else (self.column,)
        rows = candidates(scores, self.embeddings, columns, self.ceiling)
        if not len(rows):
            return np.empty(0, np.int64)
        count = max(1, round(len(rows) ** 0.5)) if self.clusters is None else self.clusters
        if count > len(rows):
            raise ConfigError(
                f"clusters: {count:,} clusters of {len(rows):,} rows. Lower clusters, or leave it out."
            )
        afford(
            2 * rows.bytes, f"semdedup: {len(rows):,} embeddings", "Give a smaller pool (a prefilter first)."
        )
        found = cluster(rows.vectors, count, self.seed)
        first = found.nearness
        if self.column is not None:
            first = rows.values[self.column] * (1 if self.highest is False else -1)
        cosines = earlier(rows.vectors, found.labels, first)
        kept = np.ones(len(rows), bool) if self.threshold is None else cosines <= self.threshold
        top = TopK(np.array([size]))
        ids = (rows.ids[0][kept], rows.ids[1][kept])
        top.add(np.zeros(int(kept.sum()), np.int64), -cosines[kept], ids, rows.rows[kept])
        return top.rows()

    def why_not(self, size: int) -> str:
        return "more similar to a row of its cluster that ranks before it than the rows kept are"


def earlier(vectors: np.ndarray, labels: np.ndarray, first: np.ndarray) -> np.ndarray:
    """For each row the highest cosine to a row of its cluster that comes before it by ``first`` (ascending,
    then place), to six decimals, so that rounding errors break no ties.

    float64 [n]; -1 for the first of a cluster.
    """
    found = np.full(len(labels), -1.0)
    order = np.lexsort((np.arange(len(labels)), first, labels))
    cuts = np.flatnonzero(np.diff(labels[order])) + 1
    for members in np.split(order, cuts):
        own = vectors[members]
        for begin in range(0, len(members), BLOCK // 4):
            part = slice(begin, begin + BLOCK // 4)
            best = found[members[part]]
            for start in range(0, begin + 1, BLOCK // 4):
                cosines = own[part] @ own[start : start + BLOCK // 4].T
                if start == begin:
                    cosines[np.triu_indices(len(cosines))] = -1
                best = np.maximum(best, cosines.max(axis=1))
            found[members[part]] = best
    return np.round(found, DECIMALS)
