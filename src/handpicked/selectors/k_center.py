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

AHEAD = 32
"""Rows whose distances are computed in one pass, because the next centres are likely among them."""


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
            4 * (AHEAD + 4) * rows + 8 * dimensions * BLOCK,
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

    Distances to the ``AHEAD`` rows that are farthest now are computed together: the memory traffic of one
    pass over the vectors serves several steps. The choice is the same as one by one.
    """
    closest = np.full(len(vectors), -np.inf, np.float32)  # cosine to the nearest row taken
    known: dict[int, np.ndarray] = {}
    taken = [first]
    while True:
        newest = taken[-1]
        if newest not in known:
            known = {}  # freed before it is made anew
            ahead = [newest] if len(taken) == 1 else _farthest(closest, newest)
            known = dict(zip(ahead, _cosines(vectors, ahead), strict=True))
        np.maximum(closest, np.round(known.pop(newest), DECIMALS), out=closest)
        closest[newest] = np.inf
        if len(taken) == size:
            return taken
        taken.append(int(closest.argmin()))


def _farthest(closest: np.ndarray, newest: int) -> list[int]:
    """``newest`` and the other rows that are farthest from those taken."""
    count = min(AHEAD, len(closest))
    found = np.argpartition(closest, count - 1)[:count].tolist()
    return [newest, *(place for place in found if place != newest)]


def _cosines(vectors: Vectors, places: list[int]) -> np.ndarray:
    """Cosines of these rows with every row, float32 [places, n]."""
    chosen = vectors[np.array(places)]
    found = np.empty((len(places), len(vectors)), np.float32)
    for begin in range(0, len(vectors), BLOCK):
        np.matmul(chosen, vectors[begin : begin + BLOCK].T, out=found[:, begin : begin + BLOCK])
    return found
