"""The same number of rows from each cluster of meaning: the diversity baseline of the paper."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from handpicked.errors import ConfigError
from handpicked.selectors.balanced import even_quotas
from handpicked.selectors.clusters import Clusters, cluster
from handpicked.selectors.embeddings import Candidates, Embeddings, afford, candidates, columns_of
from handpicked.selectors.random import random_keys
from handpicked.selectors.selector import Scores
from handpicked.selectors.topk import TopK

Take = Literal["nearest", "random", "longest"]


@dataclass(frozen=True)
class KMeans:
    """Rows from each of ``clusters`` K-Means clusters (None: as many as rows are asked for, one from each): those
    ``nearest`` to the centroid, ``random`` ones, or the ``longest`` by ``measure``.

    The diversity baseline of Shen (2024, arXiv 2402.06094), which leaves the details open. Lloyd's algorithm on unit vectors
    (squared Euclidean distance, which is 2 - 2 cosine), 25 iterations from seeded k-means++. What a small cluster lacks is
    shared out among the others as evenly as they can.
    """

    clusters: int | None = None
    take: Take = "nearest"
    measure: str = "tokens"
    seed: int = 0
    embeddings: Embeddings | None = field(default=None, repr=False)
    name: ClassVar[str] = "kmeans"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "faiss-gpu", "numpy")

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.embeddings, *self._lengths)

    @property
    def _lengths(self) -> tuple[str, ...]:
        return (self.measure,) if self.take == "longest" else ()

    def select(self, scores: Scores, size: int) -> np.ndarray[Any, Any]:
        rows = candidates(scores, self.embeddings, self._lengths)
        if len(rows) <= size:
            return np.sort(rows.rows)
        if not size:
            return np.empty(0, np.int64)
        count = size if self.clusters is None else self.clusters
        if count > size:
            raise ConfigError(
                f"clusters: {count:,} clusters cannot each give one of {size:,} rows. Lower clusters, or leave it out: then "
                "there are as many as rows."
            )
        afford(
            2 * rows.bytes,
            f"kmeans: {len(rows):,} embeddings",
            "Give a smaller pool (a prefilter, or 'semdedup' first).",
        )
        found = cluster(rows.vectors, count, self.seed)
        available = np.bincount(found.labels, minlength=count).tolist()
        top = TopK(even_quotas(available, size))
        top.add(found.labels, self._keys(rows, found), rows.ids, rows.rows)
        return top.rows()

    def _keys(self, rows: Candidates, found: Clusters) -> np.ndarray[Any, Any]:
        """What is highest in the rows to take."""
        if self.take == "random":
            return random_keys(rows.ids, self.seed)
        if self.take == "longest":
            return rows.values[self.measure]
        return found.nearness

    def why_not(self, size: int) -> str:
        best = {"nearest": "nearest to its centroid", "random": "drawn", "longest": "longest"}[self.take]
        return f"not the {best} of its cluster"
