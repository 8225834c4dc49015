"""Quantiles of Student's t without scipy."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist


@lru_cache(maxsize=4096)
def two_sided(level: float, df: int) -> float:
    """The value that |t| with ``df`` degrees of freedom exceeds with probability ``level``,
    which lies between 0 and 1.

    Hill (1970), "Algorithm 396: Student's t-quantiles", CACM 13(10), 619-620: right to at least five digits.
    """
    if df == 1:
        return 1 / math.tan(level * math.pi / 2)
    if df == 2:
        return math.sqrt(2 / (level * (2 - level)) - 2)
    a = 1 / (df - 0.5)
    b = 48 / a**2
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * df
    y = (d * level) ** (2 / df)
    if y > 0.05 + a:
        y = _near_the_middle(level, df, a, b, c, d)
    else:
        y = ((1 / (((df + 6) / (df * y) - 0.089 * d - 0.822) * (df + 2) * 3) + 0.5 / (df + 4)) * y - 1) * (
            df + 1
        ) / (df + 2) + 1 / y
    return math.sqrt(df * y)


def _near_the_middle(level: float, df: int, a: float, b: float, c: float, d: float) -> float:
    """The branch of the algorithm that corrects the normal quantile."""
    x = NormalDist().inv_cdf(level / 2)
    y = x * x
    if df < 5:
        c += 0.3 * (df - 4.5) * (x + 0.6)
    c += (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b
    y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
    return math.expm1(a * y * y)
