"""Lengths as they are counted while batches pass: how often each occurs, from which quantiles are exact."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from handpicked.pool_audit.record import Lengths
from handpicked.statistics.histogram import EDGES

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


class LengthTally:
    """Counts the lengths in ``column``; its memory grows with the number of different ones only."""

    def __init__(self, of: str, column: str = "") -> None:
        self.of, self.column = of, column
        self._counts: Counter[int] = Counter()

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the lengths of a batch; null is none."""
        values = batch[self.column].drop_null().cast(pa.int64())
        self.count(values.to_numpy(zero_copy_only=False))

    def count(self, lengths: object) -> None:
        """Count these lengths (whole numbers)."""
        values, times = np.unique(np.asarray(lengths, np.int64), return_counts=True)
        self._counts.update(dict(zip(values.tolist(), times.tolist(), strict=True)))

    def result(self) -> Lengths:
        """All lengths except those that are 0."""
        filled = sorted((value, rows) for value, rows in self._counts.items() if value > 0)
        if not filled:
            return Lengths(self.of, 0, 0, None, None, None, {}, {})
        values, times = (np.array(column, np.int64) for column in zip(*filled, strict=True))
        rows, total = int(times.sum()), int((values * times).sum())
        bins = np.searchsorted(EDGES, values, side="right") - 1
        counts = np.bincount(bins, weights=times, minlength=len(EDGES))
        return Lengths(
            self.of,
            rows,
            total,
            round(total / rows, 2),
            int(values[0]),
            int(values[-1]),
            {f"p{p}": round(_quantile(values, np.cumsum(times), p / 100), 2) for p in PERCENTILES},
            {str(EDGES[place]): int(counts[place]) for place in np.flatnonzero(counts).tolist()},
        )


def _quantile(values: np.ndarray, upto: np.ndarray, q: float) -> float:
    """The quantile ``q`` of ascending ``values``, of which ``upto`` have been counted at each, interpolated."""
    at = q * (int(upto[-1]) - 1)
    low, high = (
        float(values[np.searchsorted(upto, place, side="right")]) for place in (int(at), -int(-at // 1))
    )
    return low + (high - low) * (at - int(at))
