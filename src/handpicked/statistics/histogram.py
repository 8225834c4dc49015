"""Histograms of lengths over fixed half-octave bins, comparable between sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

EDGES: tuple[int, ...] = (0, *dict.fromkeys(round(2 ** (step / 2)) for step in range(43)))
"""0, 1, 2, 3, 4, 6, 8, 11, 16, ... 2,097,152: bin ``i`` holds lengths from ``EDGES[i]`` up to
but not ``EDGES[i + 1]``.
"""

PERCENTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True, slots=True)
class LengthSummary:
    """The lengths of a set of texts: counts by bin, quantiles, mean and sum.

    ``counts`` maps the lower edge of each bin that is not empty to the number of lengths in it. The last bin
    is open above. ``quantiles`` (p5 to p95, linear interpolation) and ``mean`` are ``None`` for an empty set.
    ``missing`` counts texts without a length.
    """

    n: int
    missing: int
    counts: Mapping[str, int]
    quantiles: Mapping[str, float] | None
    mean: float | None
    total: int

    @property
    def median(self) -> float | None:
        return self.quantiles["p50"] if self.quantiles else None


def summarize(lengths: Sequence[int | None] | npt.NDArray[np.float64]) -> LengthSummary:
    """The lengths in numbers; ``None`` (in an array: NaN) is one that is missing."""
    listed = np.asarray(lengths, dtype=np.float64)  # None becomes NaN
    known = listed[~np.isnan(listed)].astype(np.int64)
    missing = len(lengths) - known.size
    if not known.size:
        return LengthSummary(0, missing, {}, None, None, 0)
    places = np.searchsorted(EDGES, known, side="right") - 1
    bins, counts = np.unique(places, return_counts=True)
    values = np.percentile(known, PERCENTILES)
    return LengthSummary(
        n=int(known.size),
        missing=missing,
        counts={str(EDGES[place]): int(count) for place, count in zip(bins, counts, strict=True)},
        quantiles={f"p{p}": round(float(value), 2) for p, value in zip(PERCENTILES, values, strict=True)},
        mean=round(float(known.mean()), 3),
        total=int(known.sum()),
    )
