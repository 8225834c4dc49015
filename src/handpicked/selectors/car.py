"""The best rows of all, and the best of each cluster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from handpicked.errors import ConfigError
from handpicked.method import HIDDEN, called
from handpicked.records import Cost
from handpicked.selectors.clusters import cluster, load_faiss
from handpicked.selectors.embeddings import BLOCK, Embeddings, afford, candidates, columns_of
from handpicked.selectors.ranked import quality_end
from handpicked.selectors.selector import Scores, Selector

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

    def select(self, scores: Scores, size: int) -> np.ndarray:
        rows = candidates(scores, self.embeddings, (self.column,), self.ceiling)
        if len(rows) <= size:
            return np.sort(rows.rows)
        if not size:
            return np.empty(0, np.int64)
        count = max(1, round((len(rows) / 2) ** 0.5)) if self.clusters is None else self.clusters
        if count > size:
            raise ConfigError(
                f"clusters: {count:,} clusters cannot each give their best among {size:,} "
                f"rows. Set clusters to {size:,} at "
                "most, or raise the size."
            )
        afford(
            3 * rows.bytes,
            f"car: {len(rows):,} embeddings",
            "Give a smaller pool (a prefilter, or 'semdedup' first).",
        )
        labels = cluster(principal(rows.vectors), count, self.seed).labels
        order = np.argsort(rows.values[self.column] * (1 if self.highest is False else -1), kind="stable")
        _, first = np.unique(labels[order], return_index=True)
        best = order[first]
        rest = order[~np.isin(order, best)]
        return np.sort(rows.rows[np.concatenate([best, rest[: size - len(best)]])])

    def why_not(self, size: int) -> str:
        return f"neither the best of its cluster by {self.column} nor among the best of all"


def principal(vectors: np.ndarray, variance: float = VARIANCE) -> np.ndarray:
    """The vectors in the fewest principal components that hold ``variance`` of their variance
    (float32 [n, components]).
    """
    middle = vectors.mean(axis=0, dtype=np.float64)
    spread = np.zeros((vectors.shape[1], vectors.shape[1]))
    for begin in range(0, len(vectors), BLOCK):
        part = vectors[begin : begin + BLOCK] - middle
        spread += part.T @ part
    values, axes = np.linalg.eigh(spread)
    values, axes = np.maximum(values[::-1], 0), axes[:, ::-1]
    held = np.cumsum(values) / max(values.sum(), 1e-30)
    count = min(int(np.searchsorted(held, variance) + 1), len(values))
    found = np.empty((len(vectors), count), np.float32)
    for begin in range(0, len(vectors), BLOCK):
        found[begin : begin + BLOCK] = (vectors[begin : begin + BLOCK] - middle) @ axes[:, :count]
    return found
