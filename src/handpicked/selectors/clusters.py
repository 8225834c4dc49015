"""K-Means of unit vectors by faiss, used by several selectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from handpicked.errors import MissingPart
from handpicked.selectors.embeddings import DECIMALS
from handpicked.selectors.vectors import BLOCK, Vectors

ITERATIONS = 25
SAMPLE = 256
"""Vectors a cluster that centroids are computed from; of a larger pool a seeded sample is used."""
FEWER = "Set fewer clusters, or a smaller sample of each."


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


def cluster(
    vectors: Vectors, count: int, seed: int, start: np.ndarray | None = None, sample: int = SAMPLE
) -> Clusters:
    """Lloyd's algorithm, 25 iterations, from ``start`` (float32 [k, d]) or from seeded k-means++ by Markov
    chains (AFK-MC2: Bachem et al. 2016, Fast and Provably Good Seedings for k-Means), on at most ``sample``
    vectors a cluster; then one pass over all vectors. Same vectors, same seed, same clusters.

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
        max_points_per_centroid=sample,
        init_method=faiss.ClusteringInitMethod_AFK_MC2,
    )
    kmeans.train(drawn(vectors, sample * count, seed % 2**31), init_centroids=start)
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(kmeans.centroids)
    labels = np.empty(len(vectors), np.int64)
    distances = np.empty(len(vectors), np.float32)
    for begin in range(0, len(vectors), BLOCK):
        near, which = index.search(vectors[begin : begin + BLOCK], 1)
        labels[begin : begin + BLOCK], distances[begin : begin + BLOCK] = which[:, 0], near[:, 0]
    return Clusters(labels, np.maximum(distances, 0), kmeans.centroids)


def drawn(vectors: Vectors, most: int, seed: int) -> np.ndarray:
    """The vectors that faiss would draw of these by ``seed`` to train with; all where they are no more than
    ``most``. Faiss itself would have to be given all.
    """
    faiss = load_faiss()
    if len(vectors) <= most:
        return vectors[:]
    order = np.empty(len(vectors), np.int32)
    faiss.rand_perm(faiss.swig_ptr(order), len(order), seed)
    return vectors[order[:most].astype(np.int64)]


def clusters_need(rows: int, dimensions: int, clusters: int, sample: int = SAMPLE) -> float:
    """Bytes that ``cluster`` takes at the least: what it draws, the centroids three times, a block of vectors,
    and the cluster and distance of each row.
    """
    vector = 4 * dimensions
    trained = min(rows, sample * clusters)
    return vector * (trained + 3 * clusters + 2 * BLOCK) + 12 * trained + 100 * rows


def load_faiss() -> Any:
    """The faiss module. Raises MissingPart where it is not installed."""
    try:
        import faiss
    except ImportError:
        raise MissingPart("Clusters need faiss: pip install 'handpicked[embed]'") from None
    return faiss
