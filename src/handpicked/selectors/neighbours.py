"""The nearest rows of each row, by faiss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from handpicked.selectors.clusters import drawn, load_faiss
from handpicked.selectors.vectors import BLOCK, Vectors

EXACT = 100_000
"""Rows up to which every two are compared. Beyond, an inverted file of K-Means cells is searched:
some neighbours are missed.
"""
CELLS = 16
"""Cells searched for each row, of 2 sqrt(n)."""
TRAINED = 64
"""Rows a cell that the cells are computed from."""


def nearest(
    vectors: Vectors, count: int, exact: int = EXACT, room: float = math.inf
) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` rows with the highest cosine to each row, itself among them: places (int32 [n, count], -1
    where fewer were found) and cosines (float32 [n, count]).

    The index takes ``room`` bytes at most: it is made of so many rows at a time, of the same cells, and the
    best of all are kept. That finds the same neighbours.

    Raises:
        MissingPart: faiss is not installed.
    """
    index = _index(vectors, exact)
    count = min(count, len(vectors))
    places = np.full((len(vectors), count), -1, np.int32)
    cosines = np.full((len(vectors), count), -np.inf, np.float32)
    most = max(BLOCK, int(min(room, 1 << 60) / (4 * vectors.shape[1] + 8)) // BLOCK * BLOCK)
    for start in range(0, len(vectors), most):
        index.reset()
        for begin in range(start, min(start + most, len(vectors)), BLOCK):
            index.add(vectors[begin : min(begin + BLOCK, start + most)])
        for begin in range(0, len(vectors), BLOCK):
            part = slice(begin, begin + BLOCK)
            near, which = index.search(vectors[part], count)
            places[part], cosines[part] = _better(places[part], cosines[part], which, near, start)
    return places, cosines


def _index(vectors: Vectors, exact: int) -> Any:
    """An empty index: that compares every two of up to ``exact`` rows, else with cells."""
    faiss = load_faiss()
    flat = faiss.IndexFlatIP(vectors.shape[1])
    if len(vectors) <= exact:
        return flat
    cells = _cells(len(vectors))
    index = faiss.IndexIVFFlat(flat, vectors.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, TRAINED
    index.nprobe = CELLS
    index.train(drawn(vectors, TRAINED * cells, index.cp.seed))
    return index


def _cells(rows: int) -> int:
    return 2 * round(math.sqrt(rows))


def _better(
    places: np.ndarray, cosines: np.ndarray, which: np.ndarray, near: np.ndarray, start: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best of the neighbours so far and those found in the rows from ``start`` on."""
    found = np.where(which < 0, which, which + start)
    if not start:
        return found, near
    both, worth = np.hstack([places, found]), np.hstack([cosines, np.where(which < 0, -np.inf, near)])
    best = np.argsort(-worth, axis=1, kind="stable")[:, : places.shape[1]]
    return np.take_along_axis(both, best, axis=1), np.take_along_axis(worth, best, axis=1)


def neighbours_need(rows: int, dimensions: int, count: int) -> float:
    """Bytes that finding ``count`` neighbours and turning the graph round take at least, besides the index
    (a block of rows at a time).
    """
    count, vector = min(count, rows), 4 * dimensions
    trained = 0 if rows <= EXACT else TRAINED * _cells(rows)
    return 25 * count * rows + vector * (trained + 4 * BLOCK) + 48 * count * BLOCK
