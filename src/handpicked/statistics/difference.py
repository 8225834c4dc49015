"""How a subset differs from its pool, and how a score depends on length."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from handpicked.records import Estimate
from handpicked.statistics.estimates import Z95

Values = Sequence[float | None]


def standardised(subset: Values, pool: Values) -> Estimate:
    """(mean of the subset - mean of the pool) / standard deviation of the pool: Glass's delta.

    Interval by the large-sample variance of Hedges and Olkin (1985), Statistical Methods for Meta-Analysis,
    chapter 5: (n1 + n2) / (n1 n2) + d^2 / (2 n2). ``n`` counts the subset's values. No value where a side has
    fewer than two values or the pool's are all equal.
    """
    mine, whole = _known(subset), _known(pool)
    missing = len(subset) - len(mine)
    spread = float(whole.std(ddof=1)) if len(whole) > 1 else 0.0
    if len(mine) < 2 or spread == 0:
        return Estimate(None, None, None, 0, len(subset), "too few values, or none that differ")
    value = float(mine.mean() - whole.mean()) / spread
    half = Z95 * math.sqrt((len(mine) + len(whole)) / (len(mine) * len(whole)) + value**2 / (2 * len(whole)))
    return Estimate(
        value, value - half, value + half, len(mine), missing, "Hedges and Olkin's large-sample interval"
    )


def spearman(a: Values, b: Values) -> Estimate:
    """Spearman's rank correlation of two scores of the same rows, ties at their mean rank.

    Interval by Fisher's z with the standard error sqrt((1 + r^2 / 2) / (n - 3)) of Bonett and Wright (2000).
    Rows that lack either value are missing. No value below four rows or where all values of a side are equal.
    """
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    n, missing = len(pairs), len(a) - len(pairs)
    ranks = [_ranks(np.array([pair[side] for pair in pairs], dtype=float)) for side in (0, 1)]
    if n < 4 or any(np.ptp(one) == 0 for one in ranks):
        return Estimate(None, None, None, 0, len(a), "too few values, or none that differ")
    value = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    if abs(value) > 1 - 1e-12:
        return Estimate(value, value, value, n, missing, "a perfect rank correlation has no interval")
    half = Z95 * math.sqrt((1 + value**2 / 2) / (n - 3))
    low, high = (math.tanh(math.atanh(value) + side * half) for side in (-1, 1))
    return Estimate(value, low, high, n, missing, "Fisher's z with Bonett and Wright's standard error")


def _known(values: Values) -> npt.NDArray[np.float64]:
    return np.array([value for value in values if value is not None], dtype=float)


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: npt.NDArray[np.float64] = ((ends - counts + 1 + ends) / 2)[inverse]
    return means
