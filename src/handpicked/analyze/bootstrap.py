"""95% intervals by resampling prompts, seeded and fast, of what has no formula: kappa, strengths, curves.

Efron (1979), "Bootstrap methods: another look at the jackknife"; percentile intervals as in Efron and
Tibshirani (1993), chapter 13. The unit that is drawn is the prompt, with everything judged on it, because
judgements on one prompt depend on each other (cluster bootstrap; Field and Welsh, 2007).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from handpicked.records import Estimate

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 10_000
Z95 = 1.959963984540054
DRAWS_AT_ONCE = 2_000_000
FEW_KINDS = 8


def totals_by_prompt(prompts: Sequence[Hashable], values: np.ndarray) -> np.ndarray:
    """Sums of ``values`` [n, k] over each prompt: [prompts, k], in order of first appearance."""
    import numpy as np

    index = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
    if len(index) == len(prompts):
        return values
    place = np.fromiter((index[p] for p in prompts), dtype=np.int64, count=len(prompts))
    totals = np.zeros((len(index), values.shape[1]))
    np.add.at(totals, place, values)
    return totals


def with_ones(values: Sequence[float]) -> np.ndarray:
    """Values beside a column of ones, [n, 2]: totals of it are sums and counts."""
    import numpy as np

    return np.stack([np.asarray(values, dtype=float), np.ones(len(values))], axis=1)


def resampled_totals(totals: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Column sums of ``totals`` [prompts, k] over prompts drawn with replacement: [resamples, k].

    Prompts with equal rows are interchangeable, so their counts are drawn at once from a multinomial
    distribution: the same distribution as drawing prompts one by one, at a cost that depends on the kinds of
    prompts, not their number.
    """
    import numpy as np

    kinds, counts = np.unique(totals, axis=0, return_counts=True)
    at_once = max(1, DRAWS_AT_ONCE // len(kinds))
    draw = _kinds_drawn if len(kinds) <= FEW_KINDS else _kinds_drawn.__wrapped__
    return np.concatenate([part @ kinds for part in draw(tuple(counts.tolist()), resamples, at_once, seed)])


@lru_cache(maxsize=16)
def _kinds_drawn(counts: tuple[int, ...], resamples: int, at_once: int, seed: int) -> list[np.ndarray]:
    """How often prompts of each kind are drawn: blocks of [resamples, kinds].

    Kept where kinds are few, because the same counts come again: both rules of a judge often agree on every pair.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    n = sum(counts)
    return [
        rng.multinomial(n, np.array(counts) / n, size=min(at_once, resamples - start))
        for start in range(0, resamples, at_once)
    ]


def interval(statistics: np.ndarray) -> tuple[float, float]:
    """The 2.5% and 97.5% quantiles; resamples without a value (0 of 0) are left out."""
    import numpy as np

    low, high = np.nanquantile(statistics, [0.025, 0.975])
    return float(low), float(high)


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


def estimate(
    totals: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    n: int,
    missing: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Any statistic of column totals: ``statistic`` takes [m, k] sums and gives [m] values, NaN where it has none."""
    if n == 0:
        return Estimate(None, None, None, 0, missing, "nothing to count")
    value = float(statistic(totals.sum(axis=0, keepdims=True))[0])
    if math.isnan(value):
        return Estimate(None, None, None, n, missing, "no value on these data")
    low, high = interval(statistic(resampled_totals(totals, resamples, seed)))
    return Estimate(value, low, high, n, missing, _method(resamples, len(totals), seed))


def _method(resamples: int, prompts: int, seed: int) -> str:
    return f"bootstrap over {prompts} prompts, {resamples} resamples, seed {seed}"
