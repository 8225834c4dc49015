"""How well some rows stand for all others, and the lazy greedy choice of rows that stand for them best.

The facility location function of a set S of rows is the sum over all rows of their cosine to the nearest row of S, where a
cosine below 0 counts 0. It is monotone submodular, so that greedy choice reaches 1 - 1/e of the optimum (Nemhauser et al.
1978), and a gain that was computed once bounds all later ones (Minoux 1978): few are computed again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from handpicked.select.embeddings import BLOCK

if TYPE_CHECKING:
    import numpy as np

AT_ONCE = 8
"""Rows whose gains are computed together at first; twice as many each time that does not settle a choice."""
KEPT = 1 << 30
"""Bytes of cosines that exact coverage keeps."""
DECIMALS = 5
"""Digits to which gains are compared. Two rows that stand for each other alone gain the same: rounding errors shall not choose."""


class Coverage(Protocol):
    """The gain of each row, given those taken."""

    def first(self) -> np.ndarray[Any, Any]:
        """The gain of every row when none is taken (float64 [n])."""
        ...

    def gains(self, places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The present gains of these rows (float64)."""
        ...

    def take(self, place: int) -> None:
        """Take this row."""
        ...


@dataclass
class Dense:
    """Exact coverage: n^2 cosines once, in blocks that are not kept, then those of the rows that are looked at again.

    Cosines of the rows looked at last are kept, up to ``KEPT`` bytes: most are looked at many times. Memory is that and the
    vectors; time is 2 n^2 d floating-point operations and, a step, some passes over n cosines.
    """

    vectors: np.ndarray[Any, Any]
    covered: np.ndarray[Any, Any] = field(init=False, repr=False)
    _kept: np.ndarray[Any, Any] = field(init=False, repr=False)
    _slots: dict[int, int] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        import numpy as np

        count = len(self.vectors)
        self.covered = np.zeros(count, np.float32)
        slots = min(count, max(KEPT // (4 * max(count, 1)), AT_ONCE))
        self._kept = np.empty((slots, count), np.float32)

    def first(self) -> np.ndarray[Any, Any]:
        import numpy as np

        found = np.zeros(len(self.vectors))
        blocks = [slice(begin, begin + BLOCK // 4) for begin in range(0, len(self.vectors), BLOCK // 4)]
        for place, left in enumerate(blocks):
            for right in blocks[place:]:
                cosines = self.vectors[left] @ self.vectors[right].T
                np.maximum(cosines, 0, out=cosines)
                found[left] += cosines.sum(axis=1)
                if left != right:
                    found[right] += cosines.T.sum(axis=1)
        return found

    def gains(self, places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        import numpy as np

        found = np.empty(len(places))
        spare = np.empty(len(self.vectors), np.float32)
        for begin in range(0, len(places), len(self._kept)):
            part = places[begin : begin + len(self._kept)].tolist()
            self._keep(part)
            for at, place in enumerate(part, start=begin):
                np.subtract(self._kept[self._slots[place]], self.covered, out=spare)
                np.maximum(spare, 0, out=spare)
                found[at] = spare.sum()
        return found

    def _keep(self, places: list[int]) -> None:
        """Have the cosines of these rows with every row; the rows that were looked at least recently make room."""
        for place in places:
            if place in self._slots:
                self._slots[place] = self._slots.pop(place)  # now the latest
        missing = [place for place in places if place not in self._slots]
        free = list(range(len(self._slots), len(self._kept)))[: len(missing)]
        while len(free) < len(missing):
            free.append(self._slots.pop(next(iter(self._slots))))
        for begin in range(0, len(missing), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            self._kept[free[part]] = self.vectors[missing[part]] @ self.vectors.T
        self._slots.update(zip(missing, free, strict=True))

    def take(self, place: int) -> None:
        import numpy as np

        self._keep([place])
        np.maximum(self.covered, self._kept[self._slots[place]], out=self.covered)


@dataclass
class Sparse:
    """Coverage in which each row sees only its nearest rows (Lindgren et al. 2016, Leveraging Sparsity for Efficient
    Submodular Data Summarization): row i is covered by a taken row j only if j is among the ``neighbours`` of i.

    ``near`` (-1 where there is none) and ``cosines`` are [n, neighbours]; a row is its own neighbour. They are turned round, to
    the rows that each row covers, and not kept. Memory is 24 bytes a neighbour meanwhile, then 8.
    """

    near: InitVar[np.ndarray[Any, Any]]
    cosines: InitVar[np.ndarray[Any, Any]]
    covered: np.ndarray[Any, Any] = field(init=False, repr=False)
    _starts: np.ndarray[Any, Any] = field(init=False, repr=False)
    _rows: np.ndarray[Any, Any] = field(init=False, repr=False)
    _values: np.ndarray[Any, Any] = field(init=False, repr=False)

    def __post_init__(self, near: np.ndarray[Any, Any], cosines: np.ndarray[Any, Any]) -> None:
        import numpy as np
        from scipy.sparse import csr_array

        seen = (near >= 0) & (cosines > 0)
        ends = np.concatenate([[0], np.cumsum(seen.sum(axis=1))])
        turned = csr_array((cosines[seen], near[seen], ends), shape=(len(near), len(near))).tocsc()
        self._starts, self._rows, self._values = turned.indptr, turned.indices, turned.data
        self.covered = np.zeros(len(near), np.float32)

    def first(self) -> np.ndarray[Any, Any]:
        import numpy as np

        owners = np.repeat(np.arange(len(self.covered)), np.diff(self._starts))
        found: np.ndarray[Any, Any] = np.bincount(owners, weights=self._values, minlength=len(self.covered))
        return found

    def gains(self, places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        import numpy as np

        return np.array([self._gain(place) for place in places.tolist()])

    def _gain(self, place: int) -> float:
        import numpy as np

        own = slice(self._starts[place], self._starts[place + 1])
        return float(np.maximum(self._values[own] - self.covered[self._rows[own]], 0).sum(dtype=np.float64))

    def take(self, place: int) -> None:
        import numpy as np

        own = slice(self._starts[place], self._starts[place + 1])
        rows = self._rows[own]
        self.covered[rows] = np.maximum(self.covered[rows], self._values[own])


def lazy_greedy(
    coverage: Coverage, size: int, blend: Callable[[Any, Any], Any] = lambda gains, places: gains
) -> list[int]:
    """Places of ``size`` rows in the order taken, each the one with the highest gain; of equal gains the lower place.

    ``blend(gains, places)`` is what is maximised instead of the gains themselves; it must rise with them.
    """
    import numpy as np

    first = coverage.first()
    bounds = np.array(blend(np.round(first, DECIMALS), np.arange(len(first))), dtype=np.float64)
    taken: list[int] = []
    while len(taken) < min(size, len(bounds)):
        best = _best(coverage, bounds, blend)
        coverage.take(best)
        bounds[best] = -np.inf
        taken.append(best)
    return taken


def _best(coverage: Coverage, bounds: np.ndarray[Any, Any], blend: Callable[[Any, Any], Any]) -> int:
    """The row that is worth most now. ``bounds`` are what rows were worth at some time before; those looked at are renewed."""
    import numpy as np

    stale = bounds.copy()  # -inf where the bound is of this step
    at_once, top, best = AT_ONCE, -np.inf, -1
    while True:
        at_once = min(at_once, len(stale))
        places = np.argpartition(stale, -at_once)[-at_once:]
        places = places[(stale[places] >= top) & (stale[places] > -np.inf)]
        if not len(places):
            return best
        values = blend(np.round(coverage.gains(places), DECIMALS), places)
        bounds[places], stale[places] = values, -np.inf
        high = float(values.max())
        leader = int(places[values == high].min())
        if high > top or (high == top and leader < best):
            top, best = high, leader
        at_once *= 2
