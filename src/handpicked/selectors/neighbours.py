"""The nearest rows of each row, by faiss."""

from __future__ import annotations

import numpy as np

from handpicked.selectors.clusters import load_faiss
from handpicked.selectors.embeddings import BLOCK

EXACT = 100_000
"""Rows up to which every two are compared. Beyond, an inverted file of K-Means cells is searched:
some neighbours are missed.
"""
CELLS = 16
"""Cells searched for each row, of 2 sqrt(n)."""


def nearest(vectors: np.ndarray, count: int, exact: int = EXACT) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` rows with the highest cosine to each row, itself among them: places (int32 [n, count], -1
    where fewer were found) and cosines (float32 [n, count]).

    Raises:
        MissingPart: faiss is not installed.
    """
    faiss = load_faiss()
    if len(vectors) <= exact:
        index = faiss.IndexFlatIP(vectors.shape[1])
    else:
        cells = 2 * round(len(vectors) ** 0.5)
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], cells, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, 64
        index.nprobe = CELLS
        index.train(vectors)
    index.add(vectors)
    count = min(count, len(vectors))
    places = np.empty((len(vectors), count), np.int32)
    cosines = np.empty((len(vectors), count), np.float32)
    for begin in range(0, len(vectors), BLOCK):
        near, which = index.search(vectors[begin : begin + BLOCK], count)
        places[begin : begin + BLOCK], cosines[begin : begin + BLOCK] = which, near
    return places, cosines
