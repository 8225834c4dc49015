"""The same number of rows from each cluster: the diversity baseline of the paper."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from handpicked.config import Measure
from handpicked.errors import ConfigError
from handpicked.method import HIDDEN
from handpicked.records import Cost
from handpicked.selectors.balanced import even_quotas
from handpicked.selectors.clusters import FEWER, SAMPLE, Clusters, cluster, clusters_need, load_faiss
from handpicked.selectors.embeddings import Candidates, Embeddings, candidates, columns_of
from handpicked.selectors.random import random_keys
from handpicked.selectors.selector import Needs, Scores, Selector
from handpicked.selectors.topk import TopK

Take = Literal["nearest", "random", "longest"]


@dataclass(frozen=True)
class KMeans(Selector):
    """Rows from each of ``clusters`` K-Means clusters (None: as many as rows are requested, one from each):
    those ``nearest`` to the centroid, ``random`` ones, or the ``longest`` by ``measure``.

    The diversity baseline of Shen (2024, arXiv 2402.06094), which leaves the details open. Lloyd's algorithm
    on unit vectors (squared Euclidean distance, which is 2 - 2 cosine), 25 iterations from seeded k-means++.
    What a small cluster lacks is shared out among the others as evenly as they can.
    """

    clusters: Annotated[int, Field(gt=0)] | None = None
    """How many clusters. None: one for each row kept."""
    take: Take = "nearest"
    """Which rows of a cluster: those nearest to its centroid, random ones, or the longest by ``measure``."""
    measure: Measure = "tokens"
    """What a length is counted in."""
    sample: Annotated[int, Field(gt=0)] = SAMPLE
    """Rows a cluster that centroids are computed from. Of a larger pool so many are drawn by ``seed``; every
    row is then assigned.
    """
    seed: int = 0
    """Seed of its random choices."""
    embeddings: Embeddings | None = field(default=None, repr=False, metadata=HIDDEN)
    name: ClassVar[str] = "kmeans"
    cost: ClassVar[Cost] = "embedding"
    about: ClassVar[str] = "diversity: rows of each K-Means cluster of embeddings"
    source: ClassVar[str] = "Shen 2024, arXiv 2402.06094"
    needs: ClassVar[str] = "embed; demo"
    compares_meaning: ClassVar[bool] = True
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "faiss-gpu", "numpy")

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.embeddings, *self.length_columns)

    @property
    def length_columns(self) -> tuple[str, ...]:
        """See ``Selector``."""
        return (self.measure,) if self.take == "longest" else ()

    def check(self, rows: int | None) -> None:
        """See ``Selector``."""
        load_faiss()

    def needs_of(self, rows: int, dimensions: int, size: int) -> Needs:
        """See ``Selector``."""
        count = size if self.clusters is None else self.clusters
        return Needs(clusters_need(rows, dimensions, count, self.sample) if rows > size else 0, FEWER)

    def select(self, scores: Scores, size: int) -> np.ndarray:
        rows = candidates(scores, self.embeddings, self.length_columns)
        if len(rows) <= size:
            return np.sort(rows.rows)
        if not size:
            return np.empty(0, np.int64)
        count = size if self.clusters is None else self.clusters
        if count > size:
            raise ConfigError(
                f"clusters: {count:,} clusters cannot each give one of {size:,} rows. Lower "
                "clusters, or leave it out: then "
                "there is one a row."
            )
        vectors = rows.within(rows.afford(self, size))
        found = cluster(vectors, count, self.seed, sample=self.sample)
        available = np.bincount(found.labels, minlength=count).tolist()
        top = TopK(even_quotas(available, size))
        top.add(found.labels, self._keys(rows, found), rows.ids, rows.rows)
        return top.rows()

    def _keys(self, rows: Candidates, found: Clusters) -> np.ndarray:
        """What is highest in the rows to take."""
        if self.take == "random":
            return random_keys(rows.ids, self.seed)
        if self.take == "longest":
            return rows.values[self.measure]
        return found.nearness

    def why_not(self, size: int) -> str:
        best = {"nearest": "nearest to its centroid", "random": "drawn", "longest": "longest"}[self.take]
        return f"not the {best} of its cluster"
