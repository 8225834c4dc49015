"""The variance of an estimate over prompts and training seeds (two-way clustering).

Prompts and seeds are crossed: every seed answers every prompt, so the estimate varies for three reasons,
the prompts chosen, the seeds drawn, and what is left of each answer. Their variances are found from sums over
prompts, over seeds, and the residuals (two-way clustering: Cameron, Gelbach and Miller, 2011, Journal of
Business and Economic Statistics 29(2), 238-249; the same components as those of the pigeonhole bootstrap,
Owen, 2007). An estimate that is not a mean (a logistic regression) enters by the influence of each verdict on
it, which makes this its sandwich.

The half width of an interval is

    cube root( (t[P - 1] sqrt(V_prompts))^3 + (t[K - 1] sqrt(max(0, V_seeds - q V_rest)))^3 ),  q = 1/2, 0.3 for two seeds

with Student's t for P prompts and K seeds. The subtraction takes out what V_seeds has from the residuals,
which V_prompts has already. No formula is exact for two variances of which one has a single degree of freedom
(the problem of Behrens and Fisher), so this one was chosen by simulation among some forty: Satterthwaite's
degrees of freedom cover 83% where two seeds differ by a few standard errors, and the percentile bootstrap of
K - 1 of K seeds covers 80 to 99% with two seeds and 89 to 100% with three. ``tests/statistics`` holds the
coverage of this one.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from handpicked.statistics.student import two_sided

LEVEL = 0.05
REST_TAKEN = 0.5
REST_TAKEN_OF_TWO = 0.3
SMALLEST_P = 1e-12


@dataclass(frozen=True, slots=True)
class Crossed:
    """Squared standard errors of one estimate. ``prompts`` and ``seeds`` count what was drawn;
    ``seeds`` is 1 where none were.

    ``over_prompts`` comes from sums over prompts, ``over_seeds`` from sums over seeds, ``rest`` from what
    neither explains. ``skewness`` is that of the sums over prompts, over the root of their number.
    """

    prompts: int
    seeds: int
    over_prompts: float
    over_seeds: float = 0.0
    rest: float = 0.0
    skewness: float = 0.0

    def half(self, level: float = LEVEL) -> float:
        """Half the width of the interval that leaves out ``level``; infinite for one prompt."""
        return self._halves(np.ones(1), level)[0]

    def sides(self) -> tuple[float, float]:
        """How far the interval reaches below and above the estimate: farther on the side
        where values have a long tail.

        There the prompts' part is the wider of Student's and that of Hall (1992, JRSS B 54(1), 221-228),
        whose cubic transformation takes skewness out of t. Alone, Hall's is too narrow for heavy tails
        without skewness.
        """
        if self.prompts < 2:
            return math.inf, math.inf
        t = two_sided(LEVEL, self.prompts - 1)
        below, above = max(t, _untwisted(t, self.skewness)), max(t, -_untwisted(-t, self.skewness))
        halves = self._halves(np.array([below, above]) / t, LEVEL)
        return halves[0], halves[1]

    def p_value(self, distance: float) -> float:
        """A two-sided p-value: the level whose interval just reaches ``distance`` from the
        estimate, with nothing subtracted.

        At small levels, as corrections for several tests ask for, the subtraction would let through several
        times as many false findings as the level says; without it they are never more.
        """
        if self.prompts < 2 or distance <= 0:
            return 1.0
        low, high = SMALLEST_P, 1.0 - SMALLEST_P
        if self._unsubtracted(low) <= distance:
            return low
        for _ in range(50):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self._unsubtracted(middle) > distance else (low, middle)
        return high

    def _unsubtracted(self, level: float) -> float:
        return replace(self, rest=0.0).half(level)

    def _halves(self, wider: npt.NDArray[np.float64], level: float) -> list[float]:
        """Half widths with the prompts' part ``wider`` by these factors."""
        if self.prompts < 2:
            return [math.inf] * len(wider)
        same = np.ones(len(wider))
        variances = self.over_prompts * wider**2, self.over_seeds * same, self.rest * same
        return [float(half) for half in half_width(*variances, self.prompts, self.seeds, level)]


def half_width(
    over_prompts: npt.NDArray[np.float64],
    over_seeds: npt.NDArray[np.float64],
    rest: npt.NDArray[np.float64],
    prompts: int,
    seeds: int,
    level: float,
) -> npt.NDArray[np.float64]:
    """The formula above, for arrays of variances [m]."""
    of_prompts = two_sided(level, prompts - 1) * np.sqrt(over_prompts)
    if seeds < 2:
        return np.asarray(of_prompts)
    taken = REST_TAKEN_OF_TWO if seeds == 2 else REST_TAKEN
    of_seeds = two_sided(level, seeds - 1) * np.sqrt(np.maximum(0, over_seeds - taken * rest))
    return np.asarray(np.cbrt(of_prompts**3 + of_seeds**3))


def _untwisted(t: float, skewness: float) -> float:
    """The inverse of Hall's transformation at ``t``; ``skewness`` is already over the root of n."""
    if abs(skewness) < 1e-9:
        return t
    inner = 1 + skewness * (t - skewness / 6)
    root: float = abs(inner) ** (1 / 3) * (1 if inner >= 0 else -1)
    return 3 / skewness * (root - 1)


def crossed(
    contributions: npt.NDArray[np.float64],
    prompts: Sequence[Hashable],
    seeds: Sequence[Hashable] | None = None,
) -> Crossed:
    """The variances of an estimate from what each value contributes to its error.

    ``contributions`` [n] sum to about zero; for a mean they are (value - mean) / n. ``prompts`` and ``seeds``
    name the prompt and the seed of each value. Values that are missing, and seeds of unequal size, are
    allowed: every sum is scaled so that its expectation is right for the number of values that it has.
    """
    of_prompt, sizes = _places(prompts)
    by_prompt = np.bincount(of_prompt, contributions).astype(np.float64)
    over_prompts = _squares(by_prompt, sizes)
    skewness = _skewness(by_prompt)
    of_seed, seed_sizes = _places(seeds if seeds is not None else [0] * len(of_prompt))
    if len(seed_sizes) < 2:
        return Crossed(len(sizes), 1, over_prompts, skewness=skewness)
    by_seed = np.bincount(of_seed, contributions).astype(np.float64)
    left = contributions - by_prompt[of_prompt] / sizes[of_prompt] - by_seed[of_seed] / seed_sizes[of_seed]
    free = len(left) - len(sizes) - len(seed_sizes) + 1
    rest = float((left**2).sum()) * len(left) / free if free > 0 else 0.0
    return Crossed(len(sizes), len(seed_sizes), over_prompts, _squares(by_seed, seed_sizes), rest, skewness)


def of_mean(
    prompts: Sequence[Hashable], values: Sequence[float], seeds: Sequence[Hashable] | None = None
) -> Crossed:
    """The variances of the mean of ``values``."""
    array = np.asarray(values, dtype=float)
    return crossed((array - math.fsum(values) / len(array)) / len(array), prompts, seeds)


def _places(names: Sequence[Hashable]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The place of each name among those that differ, and how often each of these occurs."""
    index: dict[Hashable, int] = {}
    place = np.fromiter((index.setdefault(name, len(index)) for name in names), np.int64, len(names))
    return place, np.bincount(place).astype(float)


def _squares(sums: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64]) -> float:
    """The sum of squares, scaled to be unbiased: n / (n - 1) where all sizes are equal; 0 for one sum alone."""
    if len(sums) < 2:
        return 0.0
    share = sizes / sizes.sum()
    squared = float((share**2).sum())
    kept = float((share**2 * (1 - 2 * share + squared)).sum())
    return float((sums**2).sum()) * squared / kept


def _skewness(sums: npt.NDArray[np.float64]) -> float:
    """The skewness of the sums over the root of their number; 0 where they do not differ."""
    spread = float((sums**2).mean()) ** 0.5
    return float(((sums / spread) ** 3).mean()) / len(sums) ** 0.5 if spread > 0 else 0.0
