"""The best rows of all, and the best of each cluster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from handpicked.errors import ConfigError
from handpicked.method import HIDDEN, called
from handpicked.records import Cost
from handpicked.selectors.clusters import FEWER, SAMPLE, cluster, clusters_need, load_faiss
from handpicked.selectors.embeddings import Embeddings, candidates, columns_of
from handpicked.selectors.ranked import quality_end
from handpicked.selectors.selector import Needs, Scores, Selector
from handpicked.selectors.vectors import BLOCK, Vectors

VARIANCE = 0.95
"""Share of the variance that principal components keep before clustering (section 3.3 of the paper)."""


@dataclass(frozen=True)
class Car(Selector):
    """Clustering and Ranking (Ge et al. 2024, arXiv 2402.18191): the best row of each cluster by ``column``,
    and the best rows of the whole pool.

    The paper takes the n1 = 1,000 best of all and the n2 = 1 best of each of k = sqrt(n / 2) K-Means clusters
    of reduced embeddings, and removes what is in both. Here the budget is exact: n1 is what makes the union
    ``size`` rows. ``clusters`` None is the paper's k. A value over ``ceiling`` is none (IFD over 1).
    """

    column: str = field(metadata=called("field"))
    """The scorer, or the field of the pool, that says how good a row is."""
    highest: bool | None = None
    """Whether the highest values are the best. None: what the scorer says, for a
    field of the pool the highest.
    """
    ceiling: float | None = None
    """The highest value that counts. None: what the scorer says (IFD: 1); ``.inf``: there is none."""
    clusters: Annotated[int, Field(gt=0)] | None = None
    """How many clusters. None: sqrt(n / 2)."""
    sample: Annotated[int, Field(gt=0)] = SAMPLE
    """Rows a cluster that centroids are computed from. Of a larger pool so many are drawn by ``seed``; every
    row is then assigned.
    """
    seed: int = 0
    """Seed of its random choices."""
    embeddings: Embeddings | None = field(default=None, repr=False, metadata=HIDDEN)
    name: ClassVar[str] = "car"
    cost: ClassVar[Cost] = "embedding"
    about: ClassVar[str] = "the best rows by a score (field) of each cluster of embeddings, and of all"
    source: ClassVar[str] = "CaR, Ge et al. 2024, arXiv 2402.18191"
    needs: ClassVar[str] = "embed; demo"
    compares_meaning: ClassVar[bool] = True
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "faiss-gpu", "numpy")

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.embeddings, self.column)

    def check(self, rows: int | None) -> None:
        """See ``Selector``."""
        load_faiss()

    @property
    def ranks_by(self) -> str:
        """See ``Selector``."""
        return self.column

    def directed(self, highest: bool | None, ceiling: float | None) -> Car:
        """See ``Selector``."""
        return replace(
            self, **quality_end(self.name, self.column, self.highest, self.ceiling, highest, ceiling)
        )

    def needs_of(self, rows: int, dimensions: int, size: int) -> Needs:
        """See ``Selector``."""
        if rows <= size:
            return Needs(0)
        reducing = 40 * rows + 40 * dimensions * BLOCK + 24 * dimensions**2
        return Needs(clusters_need(rows, dimensions, self._count(rows), self.sample) + reducing, FEWER)

    def _count(self, rows: int) -> int:
        """The number of clusters of so many rows."""
        return max(1, round((rows / 2) ** 0.5)) if self.clusters is None else self.clusters

    def select(self, scores: Scores, size: int) -> np.ndarray:
        rows = candidates(scores, self.embeddings, (self.column,), self.ceiling)
        if len(rows) <= size:
            return np.sort(rows.rows)
        if not size:
            return np.empty(0, np.int64)
        count = self._count(len(rows))
        if count > size:
            raise ConfigError(
                f"clusters: {count:,} clusters cannot each give their best among {size:,} "
                f"rows. Set clusters to {size:,} at "
                "most, or raise the size."
            )
        reduced = principal(rows.within(rows.afford(self, size)))
        labels = cluster(reduced, count, self.seed, sample=self.sample).labels
        order = np.argsort(rows.values[self.column] * (1 if self.highest is False else -1), kind="stable")
        _, first = np.unique(labels[order], return_index=True)
        best = order[first]
        rest = order[~np.isin(order, best)]
        return np.sort(rows.rows[np.concatenate([best, rest[: size - len(best)]])])

    def why_not(self, size: int) -> str:
        return f"neither the best of its cluster by {self.column} nor among the best of all"


def principal(vectors: Vectors, variance: float = VARIANCE) -> Projected:
    """The vectors in the fewest principal components that hold ``variance`` of their variance
    (float32 [n, components]).
    """
    middle = np.zeros(vectors.shape[1])
    for begin in range(0, len(vectors), BLOCK):
        middle += vectors[begin : begin + BLOCK].sum(axis=0, dtype=np.float64)
    middle /= max(1, len(vectors))
    spread = np.zeros((vectors.shape[1], vectors.shape[1]))
    for begin in range(0, len(vectors), BLOCK):
        part = vectors[begin : begin + BLOCK] - middle
        spread += part.T @ part
    values, axes = np.linalg.eigh(spread)
    values, axes = np.maximum(values[::-1], 0), axes[:, ::-1]
    held = np.cumsum(values) / max(values.sum(), 1e-30)
    count = min(int(np.searchsorted(held, variance) + 1), len(values))
    return Projected(vectors, middle, axes[:, :count])


class Projected:
    """Vectors in other axes (float64 [d, components]) from the point ``middle``; computed when they are read."""

    def __init__(self, vectors: Vectors, middle: np.ndarray, axes: np.ndarray) -> None:
        self._vectors, self._middle, self._axes = vectors, middle, axes
        self.shape = (len(vectors), axes.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Any, /) -> np.ndarray:
        if isinstance(which, slice):
            begin, end, _ = which.indices(len(self))
            parts: list[Any] = [slice(at, min(at + BLOCK, end)) for at in range(begin, end, BLOCK)]
        else:
            parts = [which[at : at + BLOCK] for at in range(0, len(which), BLOCK)]
        found = [self._projected(self._vectors[part]) for part in parts]
        return np.concatenate(found) if found else np.empty((0, self.shape[1]), np.float32)

    def _projected(self, vectors: np.ndarray) -> np.ndarray:
        found: np.ndarray = ((vectors - self._middle) @ self._axes).astype(np.float32)
        return found
