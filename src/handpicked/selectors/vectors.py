"""Vectors in an order of their own, of which only a run at a time is in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from handpicked.store.spilled import READ

BLOCK = 8192
"""Rows compared at once."""


class Vectors(Protocol):
    """What selectors read vectors from (float32 [n, dimensions]): an array, or a stand-in for one that is
    indexed by a slice without a step, or by places (int64). A slice may be overwritten when the next is taken.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, which: Any, /) -> np.ndarray: ...


class Runs:
    """The vectors at ``places`` (int64 [n]) of a source, in that order, without holding them all.

    A slice is served from a run of rows that is read ahead, as many as ``room`` bytes have place for. The rows
    of a run are read in ascending order of their places, so that a disk is read in one direction, once for
    each run. Where all fit, they are read once and stay. ``take`` gives the vectors of places of the source.
    """

    def __init__(
        self, take: Callable[[np.ndarray], np.ndarray], places: np.ndarray, dimensions: int, room: float
    ) -> None:
        self.shape = (len(places), dimensions)
        self._take, self._places = take, places
        self._most = min(len(places), max(BLOCK, int(room / (4 * max(1, dimensions)))))
        self._buffer = np.empty((0, dimensions), np.float32)
        self._begin = self._end = 0

    @staticmethod
    def of(vectors: np.ndarray) -> Runs:
        """Vectors in memory, in their order."""
        places = np.arange(len(vectors))
        return Runs(vectors.__getitem__, places, vectors.shape[1], 4 * vectors.size)

    @property
    def whole(self) -> bool:
        """Whether all of them are in memory now."""
        return self._end - self._begin == len(self)

    def reordered(self, order: np.ndarray, room: float) -> Runs:
        """The vectors at ``order`` of these, ``room`` bytes of them held. Those held here are freed, unless all
        are held.
        """
        if self.whole:
            return Runs(self._buffer.__getitem__, order, self.shape[1], room)
        self._buffer, self._begin, self._end = self._buffer[:0].copy(), 0, 0
        return Runs(self._take, self._places[order], self.shape[1], room)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Any, /) -> np.ndarray:
        if isinstance(which, slice):
            begin, end, _ = which.indices(len(self))
            if not (self._begin <= begin and end <= self._end):
                self._read(begin, max(end, begin + self._most))
            return self._buffer[begin - self._begin : end - self._begin]
        if self.whole:
            found: np.ndarray = self._buffer[which]
            return found
        return self._gathered(self._places[which], np.empty((len(which), self.shape[1]), np.float32))

    def _read(self, begin: int, end: int) -> None:
        """Put these rows into the buffer, in place of those there."""
        end = min(end, len(self))
        self._begin = self._end = 0
        if len(self._buffer) < end - begin:
            self._buffer = np.empty((0, self.shape[1]), np.float32)  # freed before it is made again
            self._buffer = np.empty((end - begin, self.shape[1]), np.float32)
        self._gathered(self._places[begin:end], self._buffer)
        self._begin, self._end = begin, end

    def _gathered(self, places: np.ndarray, into: np.ndarray) -> np.ndarray:
        order = np.argsort(places, kind="stable")
        for begin in range(0, len(order), READ):
            part = order[begin : begin + READ]
            into[part] = self._take(places[part])
        return into
