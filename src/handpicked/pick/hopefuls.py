"""The original rows that may still win, gathered while the pool is scored, so that it need not be read a second time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from handpicked.lean import int64_array
from handpicked.select.topk import numbers

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

HELD = 256 << 20
"""Bytes of original rows beyond which none are held: the subset is then read from the pool."""


@dataclass
class _Part:
    """Some rows of one batch: ascending row numbers, their keys (higher is better), and the rows as they came."""

    rows: np.ndarray[Any, Any]
    keys: np.ndarray[Any, Any]
    originals: pa.RecordBatch

    def only(self, chosen: np.ndarray[Any, Any]) -> _Part:
        places = chosen.nonzero()[0]
        return _Part(self.rows[places], self.keys[places], self.originals.take(int64_array(places)))


class Hopefuls:
    """Holds original rows that can be among the ``size`` highest (or lowest) of ``column``; ties at the cut are all held.

    Batches may be offered in any order and from several threads. What it holds is bounded by ``size`` and ``HELD``, not by
    the pool; it may hold nothing at all, and then ``tables`` says so.
    """

    def __init__(self, column: str, highest: bool, size: int) -> None:
        self.column = column
        self._sign = 1.0 if highest else -1.0
        self._size = size
        self._limit = 2 * size
        self._floor = float("-inf")
        self._parts: list[_Part] = []
        self._rows = 0
        self._bytes = 0
        self._gone = size == 0
        self._lock = Lock()

    def offer(self, scored: pa.RecordBatch, first_row: int, originals: pa.RecordBatch) -> None:
        """Scored rows and the batch of the file they were read from, whose first row is ``first_row`` of the pool."""
        import numpy as np

        if self._gone:
            return
        keys = self._sign * numbers(scored[self.column], self.column)
        floor = self._floor
        if np.count_nonzero(keys >= floor) > self._size:
            floor = max(floor, _cut(keys[keys >= floor], self._size))
        hopeful = np.flatnonzero(keys >= floor)
        if not len(hopeful):
            return
        rows = scored["row"].to_numpy()[hopeful]
        part = _Part(rows, keys[hopeful], originals.take(int64_array(rows - first_row)))
        with self._lock:
            self._hold(part)
            if self._rows > self._limit or self._bytes > HELD:
                self._prune()

    def _hold(self, part: _Part) -> None:
        self._parts.append(part)
        self._rows += len(part.rows)
        self._bytes += part.originals.nbytes

    def _prune(self) -> None:
        """Let go of rows that can no longer win, and of all where too many bytes are left."""
        import numpy as np

        self._floor = _cut(np.concatenate([part.keys for part in self._parts]), self._size)
        before, self._parts, self._rows, self._bytes = self._parts, [], 0, 0
        for part in before:
            if (part.keys >= self._floor).any():
                self._hold(part.only(part.keys >= self._floor))
        self._limit = max(self._limit, 2 * self._rows)
        if self._bytes > HELD:
            self._parts, self._gone = [], True

    def tables(self, rows: Sequence[int]) -> list[pa.Table] | None:
        """These rows (ascending) as they came, in order; ``None`` where one of them is not held."""
        import numpy as np
        import pyarrow as pa

        wanted = np.asarray(rows, dtype=np.int64)
        chosen = [part.only(np.isin(part.rows, wanted)) for part in self._parts]
        chosen = sorted((part for part in chosen if len(part.rows)), key=lambda part: int(part.rows[0]))
        if sum(len(part.rows) for part in chosen) != len(wanted):
            return None
        return [pa.Table.from_batches([part.originals]) for part in chosen]


def _cut(keys: np.ndarray[Any, Any], size: int) -> float:
    """The key that a row must reach to be among the ``size`` highest of ``keys``."""
    import numpy as np

    return float(np.partition(keys, -size)[-size]) if len(keys) > size else float("-inf")
