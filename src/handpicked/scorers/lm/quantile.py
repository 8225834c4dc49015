"""A quantile of more numbers than fit into memory, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np


def quantile(arrays: Callable[[], Iterable[np.ndarray]], share: float) -> float | None:
    """The quantile ``share`` (0 to 1) of all numbers, interpolated as by ``np.quantile``; None of none.

    ``arrays`` gives them, float32 and not negative, as often as it is called: twice. Numbers that are not
    negative are in the order of their bits, so that counts of the upper half of the bits show in which of
    65,536 bins a number of some rank is, and counts of the lower half which number of the bin it is. Memory:
    a megabyte, besides one array.
    """
    upper = np.zeros(1 << 16, np.int64)
    for array in arrays():
        upper += np.bincount(_bits(array) >> 16, minlength=1 << 16)
    count = int(upper.sum())
    if not count:
        return None
    place = share * (count - 1)
    ranks = {math.floor(place), math.ceil(place)}
    ends = np.cumsum(upper)
    bins = {rank: int(np.searchsorted(ends, rank, side="right")) for rank in ranks}
    lower = {one: np.zeros(1 << 16, np.int64) for one in bins.values()}
    for array in arrays():
        bits = _bits(array)
        for one, counts in lower.items():
            counts += np.bincount(bits[bits >> 16 == one] & 0xFFFF, minlength=1 << 16)
    found = []
    for rank in sorted(ranks):
        before = rank - int(ends[bins[rank]] - upper[bins[rank]])
        low = int(np.searchsorted(np.cumsum(lower[bins[rank]]), before, side="right"))
        found.append(float(np.array(bins[rank] << 16 | low, np.uint32).view(np.float32)))
    return found[0] + (found[-1] - found[0]) * (place - math.floor(place))


def _bits(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32).view(np.uint32)
