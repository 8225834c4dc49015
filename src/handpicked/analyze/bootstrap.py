"""Resampled prompts, seeded and fast, for what is compared resample by resample (size curves); and Wilson's interval.

Efron (1979), "Bootstrap methods: another look at the jackknife". The unit that is drawn is the prompt, with everything
judged on it, because judgements on one prompt depend on each other (cluster bootstrap; Field and Welsh, 2007).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 10_000
Z95 = 1.959963984540054
DRAWS_AT_ONCE = 2_000_000


@lru_cache(maxsize=8)
def drawn(n: int, resamples: int, seed: int, start: int) -> np.ndarray:
    """How often each of ``n`` prompts is drawn in each resample: [resamples, n].

    Kept for the next mean over as many prompts, since drawing costs a hundred times what the product does; at most 8
    blocks of ``DRAWS_AT_ONCE`` numbers, 128 MB.
    """
    import numpy as np

    drawn = np.random.default_rng((seed, start)).integers(0, n, size=(resamples, n))
    places = drawn + np.arange(resamples)[:, None] * n
    return np.bincount(places.ravel(), minlength=resamples * n).reshape(resamples, n).astype(float)


def wilson(value: float, n: float) -> tuple[float, float]:
    """Wilson's (1927) score interval for a proportion ``value`` of ``n`` (an effective size may be broken), 95%."""
    centre = (value + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(value * (1 - value) / n + Z95**2 / (4 * n**2))
    return 0.0 if value == 0 else centre - half, 1.0 if value == 1 else centre + half
