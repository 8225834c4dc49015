"""How well a set of rows covers all others, and the lazy greedy choice of the best covering rows.

The facility location function of a set S of rows is the sum over all rows of their cosine to the nearest row
of S, where a cosine below 0 counts 0. It is monotone submodular, so that greedy choice reaches 1 - 1/e of the
optimum (Nemhauser et al. 1978), and a gain that was computed once bounds all later ones (Minoux 1978): few
are computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, Protocol

import numpy as np

from handpicked.selectors.vectors import BLOCK, Vectors

AT_ONCE = 8
"""Rows whose gains are computed together at first; twice as many each time that does not settle a choice."""
TILE = 1024
"""Rows whose cosines to ``2 * TILE`` others are held at a time: 8 MB, which the cache of a CPU has room for.
"""
KEPT = 1 << 30
"""Bytes up to which exact coverage keeps all cosines (16,384 rows); beyond, they are made
again where they are needed.
"""
DECIMALS = 5
"""Digits to which gains are compared. Two rows that only cover each other have equal gains: rounding errors
must not decide.
"""


class Coverage(Protocol):
    """The gain of each row, given those taken."""

    @property
    def slack(self) -> float:
        """How far below a gain its bound may lie because of rounding."""
        ...

    def first(self) -> np.ndarray:
        """The gain of every row when none is taken (float64 [n])."""
        ...

    def gains(self, places: np.ndarray) -> np.ndarray:
        """The present gains of these rows (float64)."""
        ...

    def take(self, place: int) -> np.ndarray | float:
        """Take this row. Returns by how much, at least, the gain of every row falls (float64 [n], or 0
        where that is not known).
        """
        ...


@dataclass
class Dense:
    """Exact coverage. A row that is taken changes the gains only by way of the rows that it is nearest to:
    their cosines to all rows say by how much, so that every bound stays at its gain.

    Beyond ``KEPT`` bytes cosines are made in blocks and not kept. Memory is then the vectors; time is 2 n^2 d
    floating-point operations at first, as many with the first row taken, and altogether some times that,
    because the nearest taken row of a row changes ever more rarely.
    """

    vectors: np.ndarray
    covered: np.ndarray = field(init=False, repr=False)
    _kept: np.ndarray | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        count = len(self.vectors)
        self.covered = np.zeros(count, np.float32)
        self._kept = self.vectors @ self.vectors.T if 4 * count**2 <= KEPT else None

    @property
    def slack(self) -> float:
        return 0.1**DECIMALS + 1e-6 * len(self.vectors)  # sums of float32

    def first(self) -> np.ndarray:
        found = np.zeros(len(self.vectors))
        blocks = [slice(begin, begin + 2 * TILE) for begin in range(0, len(self.vectors), 2 * TILE)]
        for place, left in enumerate(blocks):
            for right in blocks[place:]:
                cosines = np.maximum(self._cosines(left, right), 0)
                found[left] += cosines.sum(axis=1)
                if left != right:
                    found[right] += cosines.T.sum(axis=1)
        return found

    def gains(self, places: np.ndarray) -> np.ndarray:
        found = np.zeros(len(places))
        for begin in range(0, len(self.vectors), BLOCK):
            part = slice(begin, begin + BLOCK)
            found += np.maximum(self._cosines(places, part) - self.covered[part], 0).sum(axis=1)
        return found

    def _cosines(self, rows: Any, others: slice) -> np.ndarray:
        """Of these rows (a slice or places) with ``others``; of places a matrix of their own."""
        found: np.ndarray = (
            self.vectors[rows] @ self.vectors[others].T if self._kept is None else self._kept[rows, others]
        )
        return found

    def take(self, place: int) -> np.ndarray:
        cosines = self._cosines([place], slice(None))[0]
        nearer = np.flatnonzero(cosines > self.covered)
        fall = np.zeros(len(self.vectors))
        for begin in range(0, len(nearer), TILE):
            rows = nearer[begin : begin + TILE]
            fall += self._fall(rows, self.covered[rows, None], cosines[rows, None])
        self.covered[nearer] = cosines[nearer]
        return fall

    def _fall(self, rows: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """What the gain of every row loses by these rows being covered by ``after``
        and no longer by ``before``.

        Of a cosine c that is max(c - before, 0) - max(c - after, 0), which is c, held between
        the two, less ``before``.
        """
        fall = np.empty(len(self.vectors))
        ones = np.ones(len(rows), np.float32)
        for begin in range(0, len(fall), 2 * TILE):
            part = slice(begin, begin + 2 * TILE)
            cosines = self._cosines(rows, part)
            np.clip(cosines, before, after, out=cosines)
            fall[part] = ones @ cosines
        return fall - float(before.sum(dtype=np.float64))


@dataclass
class Sparse:
    """Coverage in which each row sees only its nearest rows (Lindgren et al. 2016, Leveraging Sparsity for
    Efficient Submodular Data Summarization): row i is covered by a taken row j only if j is among the
    ``neighbours`` of i.

    ``near`` (-1 where there is none) and ``cosines`` are [n, neighbours]; a row is its own neighbour. They
    are turned round, to the rows that each row covers, and not kept. Memory is 24 bytes a neighbour
    meanwhile, then 8.
    """

    near: InitVar[np.ndarray]
    cosines: InitVar[np.ndarray]
    covered: np.ndarray = field(init=False, repr=False)
    _starts: np.ndarray = field(init=False, repr=False)
    _rows: np.ndarray = field(init=False, repr=False)
    _values: np.ndarray = field(init=False, repr=False)

    def __post_init__(self, near: np.ndarray, cosines: np.ndarray) -> None:
        from scipy.sparse import csr_array

        seen = (near >= 0) & (cosines > 0)
        ends = np.concatenate([[0], np.cumsum(seen.sum(axis=1))])
        if ends[-1] < 2**31:
            ends = ends.astype(np.int32)  # with which SciPy keeps the places in four bytes, too
        turned = csr_array((cosines[seen], near[seen], ends), shape=(len(near), len(near))).tocsc()
        self._starts, self._rows, self._values = turned.indptr, turned.indices, turned.data
        self.covered = np.zeros(len(near), np.float32)

    @property
    def slack(self) -> float:
        return 0.1**DECIMALS

    def first(self) -> np.ndarray:
        owners = np.repeat(np.arange(len(self.covered)), np.diff(self._starts))
        found: np.ndarray = np.bincount(owners, weights=self._values, minlength=len(self.covered))
        return found

    def gains(self, places: np.ndarray) -> np.ndarray:
        return np.array([self._gain(place) for place in places.tolist()])

    def _gain(self, place: int) -> float:
        own = slice(self._starts[place], self._starts[place + 1])
        return float(np.maximum(self._values[own] - self.covered[self._rows[own]], 0).sum(dtype=np.float64))

    def take(self, place: int) -> float:
        own = slice(self._starts[place], self._starts[place + 1])
        rows = self._rows[own]
        self.covered[rows] = np.maximum(self.covered[rows], self._values[own])
        return 0.0


@dataclass
class Sampled:
    """Coverage of a ``sample`` of rows (float32 [m, d], in memory) by the rows of ``vectors``: sums over the
    sample estimate those over all rows it was drawn from.

    Up to ``KEPT`` bytes of cosines are kept; beyond, they are made again, some rows at a time.
    """

    vectors: Vectors
    sample: np.ndarray
    covered: np.ndarray = field(init=False, repr=False)
    _kept: np.ndarray | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        count, drawn = len(self.vectors), len(self.sample)
        self.covered = np.zeros(drawn, np.float32)
        if 4 * count * drawn <= KEPT:
            kept = np.empty((count, drawn), np.float32)
            for part in self._blocks(count):
                kept[part] = self._cosines(part)
            self._kept = kept

    @property
    def slack(self) -> float:
        return 0.1**DECIMALS + 1e-6 * len(self.sample)

    def first(self) -> np.ndarray:
        return self._gains(self._blocks(len(self.vectors)), len(self.vectors))

    def gains(self, places: np.ndarray) -> np.ndarray:
        return self._gains([places[part] for part in self._blocks(len(places))], len(places))

    def take(self, place: int) -> float:
        self.covered = np.maximum(self.covered, self._cosines(np.array([place]))[0])
        return 0.0

    def worth(self, places: np.ndarray) -> float:
        """The facility location function of these rows, whatever is taken."""
        best = np.zeros(len(self.sample), np.float32)
        for part in self._blocks(len(places)):
            np.maximum(best, self._cosines(places[part]).max(axis=0), out=best)
        return float(best.sum(dtype=np.float64))

    def _gains(self, parts: Sequence[Any], count: int) -> np.ndarray:
        each = [
            np.maximum(self._cosines(part) - self.covered, 0).sum(axis=1, dtype=np.float64) for part in parts
        ]
        return np.concatenate(each) if count else np.zeros(0)

    def _blocks(self, count: int) -> list[slice]:
        return [slice(begin, min(begin + 2 * TILE, count)) for begin in range(0, count, 2 * TILE)]

    def _cosines(self, rows: Any) -> np.ndarray:
        """Of these rows (a slice or places) with the sample, of which few are in memory at a time."""
        found: np.ndarray = self.vectors[rows] @ self.sample.T if self._kept is None else self._kept[rows]
        return found


def lazy_greedy(
    coverage: Coverage, size: int, blend: Callable[[Any, Any], Any] = lambda gains, places: gains
) -> list[int]:
    """Places of ``size`` rows in the order taken, each the one with the highest gain; of
    equal gains the lower place.

    ``blend(gains, places)`` is what is maximised instead of the gains themselves; it must rise with them.
    """
    bounds = coverage.first() + coverage.slack
    everywhere, free = np.arange(len(bounds)), np.ones(len(bounds), bool)
    taken: list[int] = []
    while len(taken) < min(size, len(bounds)):
        worth = np.where(free, blend(bounds, everywhere), -np.inf)
        best = _best(coverage, bounds, worth, blend)
        bounds -= coverage.take(best)
        free[best] = False
        taken.append(best)
    return taken


def _best(
    coverage: Coverage,
    bounds: np.ndarray,
    worth: np.ndarray,
    blend: Callable[[Any, Any], Any],
) -> int:
    """The row that is worth most now, where ``worth`` holds upper bounds.

    ``bounds`` of the rows that are looked at are renewed; their ``worth`` becomes -inf.
    """
    at_once, top, best = AT_ONCE, -np.inf, -1
    while True:
        at_once = min(at_once, len(worth))
        places = np.argpartition(worth, -at_once)[-at_once:]
        places = places[(worth[places] >= top) & (worth[places] > -np.inf)]
        if not len(places):
            return best
        gains = coverage.gains(places)
        values = blend(np.round(gains, DECIMALS), places)
        bounds[places], worth[places] = gains + coverage.slack, -np.inf
        high = float(values.max())
        leader = int(places[values == high].min())
        if high > top or (high == top and leader < best):
            top, best = high, leader
        at_once *= 2
