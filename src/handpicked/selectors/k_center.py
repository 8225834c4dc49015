"""Rows such that no row of the pool is far from all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from handpicked.method import HIDDEN
from handpicked.records import Cost
from handpicked.selectors.clusters import load_faiss
from handpicked.selectors.embeddings import DECIMALS, Embeddings, candidates, columns_of
from handpicked.selectors.random import random_keys
from handpicked.selectors.selector import Needs, Scores, Selector
from handpicked.selectors.vectors import BLOCK, Vectors

FRONT = (8192, 65_536)
"""The fewest and the most rows that the next ones are looked for among, before all rows are looked at again.
"""
AT_ONCE = 256
"""Rows taken that all others are compared with at once."""


@dataclass(frozen=True)
class KCenter(Selector):
    """Greedy k-center: again and again the row that is farthest from all rows taken so far, the
    first one drawn by ``seed``.

    Gonzalez 1985; as a core-set, Sener & Savarese 2018 (Active Learning for Convolutional Neural Networks: A
    Core-Set Approach, algorithm 1). The largest distance that remains is at most twice the least possible
    one. Distance is Euclidean on unit vectors. The farthest rows are outliers by construction: in a pool with
    broken rows they come first.
    """

    seed: int = 0
    """Seed of its random choices."""
    embeddings: Embeddings | None = field(default=None, repr=False, metadata=HIDDEN)
    name: ClassVar[str] = "k-center"
    cost: ClassVar[Cost] = "embedding"
    about: ClassVar[str] = "diversity: step by step the row farthest from those taken"
    source: ClassVar[str] = "Sener & Savarese 2018, arXiv 1708.00489"
    needs: ClassVar[str] = "embed; demo"
    compares_meaning: ClassVar[bool] = True
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.embeddings)

    def check(self, rows: int | None) -> None:
        """See ``Selector``."""
        load_faiss()

    def needs_of(self, rows: int, dimensions: int, size: int) -> Needs:
        """See ``Selector``."""
        del size
        return Needs(
            24 * rows + 8 * dimensions * (BLOCK + front_of(rows)) + 8 * AT_ONCE * BLOCK,
            "Select by 'kmeans' with clusters, or from a smaller pool (a prefilter, or 'semdedup' first).",
        )

    def select(self, scores: Scores, size: int) -> np.ndarray:
        rows = candidates(scores, self.embeddings, ())
        if not size or not len(rows):
            return np.empty(0, np.int64)
        vectors = rows.within(rows.afford(self, size))
        first = int(random_keys(rows.ids, self.seed).argmax())
        return np.sort(rows.rows[centres(vectors, first, min(size, len(rows)))])

    def why_not(self, size: int) -> str:
        return f"near one of the {size:,} rows taken before it would be (k-center, seed {self.seed})"


def centres(vectors: Vectors, first: int, size: int) -> list[int]:
    """Places of ``size`` rows, in the order taken; of equally far rows (to six decimals of
    the cosine) the lower place.

    A row only comes nearer to those taken. So while one of the ``front``, the rows that were farthest at the
    last pass over all vectors, is farther than all others were then, it is farther than they are now: the
    next rows are found in the front alone, and one pass serves them all. The choice is the same as one by
    one. The size of the front depends on the number of rows only.
    """
    closest = np.full(len(vectors), -np.inf, np.float32)  # cosine to the nearest row taken
    taken, seen = [first], 0  # of ``taken``, as many as all rows have been compared with
    front, near = np.empty(0, np.int64), closest[:0]
    while len(taken) < size:
        _compare(vectors, taken[seen:], closest)
        seen = len(taken)
        closest[front] = near  # as it was computed first
        closest[taken] = np.inf
        front = _farthest(closest, front_of(len(vectors)))
        near, rows = closest[front], vectors[front]
        edge = max(zip(near.tolist(), front.tolist(), strict=True))
        while len(taken) < size:
            best = int(near.argmin())
            if (float(near[best]), int(front[best])) > edge:
                break
            taken.append(int(front[best]))
            np.maximum(near, np.round(rows @ rows[best], DECIMALS), out=near)
            near[best] = np.inf
    return taken


def front_of(rows: int) -> int:
    """How many of ``rows`` rows the next ones are looked for among."""
    return min(rows, max(FRONT[0], min(FRONT[1], rows // 64)))


def _farthest(closest: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` rows that are farthest from those taken, ascending; of equally far rows the lower
    places.
    """
    last = np.partition(closest, count - 1)[count - 1]
    farther = np.flatnonzero(closest < last)
    return np.sort(np.concatenate([farther, np.flatnonzero(closest == last)[: count - len(farther)]]))


def _compare(vectors: Vectors, places: list[int], closest: np.ndarray) -> None:
    """Raise ``closest`` to the cosine of every row with the nearest of these."""
    chosen = vectors[np.array(places)]
    for begin in range(0, len(vectors), BLOCK):
        part, near = vectors[begin : begin + BLOCK].T, closest[begin : begin + BLOCK]
        for among in range(0, len(chosen), AT_ONCE):
            cosines = (chosen[among : among + AT_ONCE] @ part).max(axis=0)
            np.maximum(near, np.round(cosines, DECIMALS), out=near)
