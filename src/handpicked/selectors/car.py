"""The best rows of all, and the best of each cluster of meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from handpicked.errors import ConfigError
from handpicked.selectors.clusters import cluster
from handpicked.selectors.embeddings import BLOCK, Embeddings, afford, candidates, columns_of
from handpicked.selectors.selector import Scores

VARIANCE = 0.95
"""Share of the variance that principal components keep before clustering (section 3.3 of the paper)."""


@dataclass(frozen=True)
class Car:
    """Clustering and Ranking (Ge et al. 2024, arXiv 2402.18191): the best row of each cluster by ``column``, and the best
    rows of the whole pool.

    The paper takes the n1 = 1,000 best of all and the n2 = 1 best of each of k = sqrt(n / 2) K-Means clusters of reduced
    embeddings, and removes what is in both. Here the budget is exact: n1 is what makes the union ``size`` rows. ``clusters``
    None is the paper's k. A value over ``ceiling`` is none (IFD over 1).
    """

    column: str
    highest: bool = True
    ceiling: float | None = None
    clusters: int | None = None
    seed: int = 0
    embeddings: Embeddings | None = field(default=None, repr=False)
    name: ClassVar[str] = "car"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "faiss-gpu", "numpy")

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.embeddings, self.column)

    def select(self, scores: Scores, size: int) -> np.ndarray[Any, Any]:
        rows = candidates(scores, self.embeddings, (self.column,), self.ceiling)
        if len(rows) <= size:
            return np.sort(rows.rows)
        if not size:
            return np.empty(0, np.int64)
        count = max(1, round((len(rows) / 2) ** 0.5)) if self.clusters is None else self.clusters
        if count > size:
            raise ConfigError(
                f"clusters: {count:,} clusters cannot each give their best among {size:,} rows. Set clusters to {size:,} at "
                "most, or raise the size."
            )
        afford(
            3 * rows.bytes,
            f"car: {len(rows):,} embeddings",
            "Give a smaller pool (a prefilter, or 'semdedup' first).",
        )
        labels = cluster(principal(rows.vectors), count, self.seed).labels
        order = np.argsort(rows.values[self.column] * (-1 if self.highest else 1), kind="stable")
        _, first = np.unique(labels[order], return_index=True)
        best = order[first]
        rest = order[~np.isin(order, best)]
        return np.sort(rows.rows[np.concatenate([best, rest[: size - len(best)]])])

    def why_not(self, size: int) -> str:
        return f"neither the best of its cluster by {self.column} nor among the best of all"


def principal(vectors: np.ndarray[Any, Any], variance: float = VARIANCE) -> np.ndarray[Any, Any]:
    """The vectors in the fewest principal components that hold ``variance`` of their variance (float32 [n, components])."""
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
