"""K-Means of unit vectors by faiss, used by several selectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from handpicked.errors import MissingPart
from handpicked.selectors.embeddings import BLOCK, DECIMALS

ITERATIONS = 25
SAMPLE = 256
"""Vectors a cluster that centroids are computed from; of a larger pool a seeded sample is used."""


@dataclass(frozen=True)
class Clusters:
    """The cluster of each vector (int64 [n]), the squared distance to its centroid (float32 [n]), the
    centroids (float32 [k, d]).
    """

    labels: np.ndarray
    distances: np.ndarray
    centroids: np.ndarray

    @property
    def nearness(self) -> np.ndarray:
        """Minus the distance (float64 [n]), to six decimals, so that rounding errors break no ties."""
        found: np.ndarray = -np.round(self.distances.astype("float64"), DECIMALS)
        return found

    @property
    def inertia(self) -> float:
        """The sum of squared distances, what K-Means makes small."""
        return float(self.distances.sum(dtype="float64"))


def cluster(vectors: np.ndarray, count: int, seed: int, start: np.ndarray | None = None) -> Clusters:
    """Lloyd's algorithm, 25 iterations, from ``start`` (float32 [k, d]) or from seeded k-means++ by Markov
    chains (AFK-MC2: Bachem et al. 2016, Fast and Provably Good Seedings for k-Means). Same vectors, same
    seed, same clusters.

    Raises:
        MissingPart: faiss is not installed.
    """
    faiss = load_faiss()
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=ITERATIONS,
        seed=seed % 2**31,
        min_points_per_centroid=1,
        max_points_per_centroid=SAMPLE,
        init_method=faiss.ClusteringInitMethod_AFK_MC2,
    )
    kmeans.train(vectors, init_centroids=start)
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(kmeans.centroids)
    labels = np.empty(len(vectors), np.int64)
    distances = np.empty(len(vectors), np.float32)
    for begin in range(0, len(vectors), BLOCK):
        near, which = index.search(vectors[begin : begin + BLOCK], 1)
        labels[begin : begin + BLOCK], distances[begin : begin + BLOCK] = which[:, 0], near[:, 0]
    return Clusters(labels, np.maximum(distances, 0), kmeans.centroids)


def load_faiss() -> Any:
    """The faiss module. Raises MissingPart where it is not installed."""
    try:
        import faiss
    except ImportError:
        raise MissingPart("Clusters need faiss: pip install 'handpicked[embed]'") from None
    return faiss
