"""The power of the decision rule, and how many prompts an undecided comparison needs.

The rule is that of ``compare`` and ``answer.decide``: a comparison is decided when its p-value, corrected by
Holm (1979) for ``comparisons`` made at once, is below 5%. The chances here are those of a comparison whose
rivals are all even but one, the hardest case: it must pass 5% / ``comparisons``. With one training an arm the
p-value is that of the sign test, whose power is summed exactly over the number of prompts that are not ties.
With several seeds it is that of the win rate over prompts and seeds; its power is found from draws of the
variance between so few seeds, and no number of prompts makes it certain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from handpicked.records import Verdict
from handpicked.statistics.compare import LEVEL, MIN_PAIRS, balances
from handpicked.statistics.crossed import Crossed, half_width, of_mean
from handpicked.statistics.win_rate import parsed

WANTED = 0.8
MOST = 10_000_000
"""Prompts that are looked at, at most."""
DRAWS = 4_000
EXACT_UP_TO = 2_000
"""Prompts above which binomials are taken as normal."""
DECIDED_AT = 41
"""Numbers of decided prompts at which the power is then summed, evenly over those that occur."""


@dataclass(frozen=True, slots=True)
class Power:
    """``needed``: prompts in all, for an 80% chance that the rule decides if the true rate is what was seen;
    ``more`` of them on top of these. ``detectable``: the smallest distance of the win rate from 0.5 that
    these prompts find 4 times of 5.

    Each is ``None`` where there is no such number, and ``reason`` says why: the rate seen is exactly even,
    the seeds differ by more than any number of prompts can even out, or so few pairs are decided that even
    one-sided ones prove nothing.
    """

    prompts: int
    needed: int | None
    more: int | None
    detectable: float | None
    comparisons: int = 1
    reason: str | None = None


def power(verdicts: Sequence[Verdict], *, comparisons: int = 1, corrected: float | None = None) -> Power:
    """Power of the decision between two arms; several models on a side are seeds of one arm.

    ``comparisons`` are those made at once. ``corrected`` is the corrected p-value of this one, where it is
    known: if it decides, ``more`` is 0.
    """
    prompts, values, seeds = parsed(verdicts, "strict")
    n = len(set(prompts))
    if n < 2:
        return Power(n, None, None, None, comparisons, "fewer than two prompts have a verdict")
    balance = balances(prompts, values)
    if not any(balance.values()):
        return Power(n, None, None, None, comparisons, "every pair is a tie")
    level = LEVEL / comparisons
    seen = abs(math.fsum(values) / len(values) - 0.5)
    if len(set(seeds)) < 2 or len(set(values)) == 1:
        seen, chance = _of_sign_test(balance, level)
    else:
        chance = win_rate_power(of_mean(prompts, values, seeds), seen, level)
    detectable = _smallest_distance(lambda distance: chance(n, distance))
    needed = _fewest_prompts(lambda size: chance(size, seen), n) if seen > 0 else None
    settled = corrected is not None and corrected < LEVEL
    more = 0 if settled else None if needed is None else max(0, needed - n)
    why = _reason(seen, needed, detectable, len(set(seeds)) > 1)
    return Power(n, needed, more, detectable, comparisons, why)


def _reason(seen: float, needed: int | None, detectable: float | None, seeded: bool) -> str | None:
    if seen == 0:
        return "the observed rate is exactly even, which no number of prompts can decide"
    if needed is not None and detectable is not None:
        return None
    if seeded:
        return "the seeds differ by more than additional prompts can even out: train more of them"
    return "too few pairs are decided to prove anything"


Chance = Callable[[int, float], float]
"""The chance that the rule finds it, by the number of prompts and the distance of the true win rate from 0.5.
"""


def _of_sign_test(balance: dict[str, float], level: float) -> tuple[float, Chance]:
    """The distance seen and the chance. A prompt that is not a tie is taken to be worth as much as
    those seen are on average.
    """
    decided = [value for value in balance.values() if value]
    ties = 1 - len(decided) / len(balance)
    worth = math.fsum(map(abs, decided)) / len(decided) * (1 - ties)
    lead = abs(sum(value > 0 for value in decided) / len(decided) - 0.5)

    def chance(n: int, distance: float) -> float:
        return sign_test_power(n, ties, min(1.0, 0.5 + distance / (2 * worth)), level)

    return 2 * lead * worth, chance


@lru_cache(maxsize=4096)
def sign_test_power(n: int, ties: float, q: float, level: float) -> float:
    """The chance that the exact sign test of ``n`` prompts is below ``level`` for the side that wins a
    decided prompt with probability ``q``; a prompt is a tie with probability ``ties``.
    """
    if n < MIN_PAIRS:
        return 0.0
    centre, spread = n * (1 - ties), math.sqrt(n * ties * (1 - ties))
    first, last = max(0, math.floor(centre - 4 * spread)), min(n, math.ceil(centre + 4 * spread))
    if n > EXACT_UP_TO:
        sizes = np.unique(np.linspace(first, last, DECIDED_AT).round().astype(int))
        weights = np.exp(-(((sizes - centre) / max(spread, 1.0)) ** 2) / 2)
    else:
        sizes = np.arange(first, last + 1)
        weights = np.exp(_log_binomial(n, sizes, 1 - ties))
    found = np.array([_found(int(d), q, level) for d in sizes])
    return float((weights * found).sum() / weights.sum())


def _found(decided: int, q: float, level: float) -> float:
    """The chance that at least so many of ``decided`` prompts are won that the two-sided
    sign test is below ``level``.
    """
    if decided > EXACT_UP_TO:
        behind = decided * (0.5 - q) + 0.5 + NormalDist().inv_cdf(1 - level / 2) * math.sqrt(decided) / 2
        return 1 - NormalDist().cdf(behind / math.sqrt(decided * max(1e-12, q * (1 - q))))
    counts = np.arange(decided + 1)
    tails = 2 * np.cumsum(np.exp(_log_binomial(decided, counts, 0.5))[::-1])[::-1]
    enough = counts[tails < level]
    if not len(enough):
        return 0.0
    return float(np.exp(_log_binomial(decided, counts[enough[0] :], q)).sum())


def _log_binomial(n: int, k: npt.NDArray[np.signedinteger], p: float) -> npt.NDArray[np.float64]:
    """Log of the binomial probabilities of ``k`` of ``n``."""
    logs = _log_factorials()
    ways = logs[n] - logs[k] - logs[n - k]
    with np.errstate(divide="ignore", invalid="ignore"):
        won = np.where(k > 0, k * np.log(p), 0.0)
        lost = np.where(n - k > 0, (n - k) * np.log1p(-p), 0.0)
    found: npt.NDArray[np.float64] = ways + won + lost
    return found


@lru_cache(maxsize=1)
def _log_factorials() -> npt.NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, EXACT_UP_TO + 1)))])


def win_rate_power(seen: Crossed, distance_seen: float, level: float) -> Chance:
    """The chance with several seeds, from the variances seen at that distance from an even win rate."""
    even = 1 / (1 - 4 * distance_seen**2) if distance_seen < 0.5 else 1.0
    between = even * max(0.0, seen.over_seeds - seen.rest)
    free = seen.seeds - 1
    draws = (np.random.default_rng(0).standard_normal((DRAWS, free)) ** 2).mean(axis=1)
    normal = NormalDist()

    def chance(n: int, distance: float) -> float:
        if n < 2 or n * seen.seeds < MIN_PAIRS:
            return 0.0
        shrunk = even * seen.prompts / n
        prompts, rest = seen.over_prompts * shrunk, seen.rest * shrunk
        errors = np.full(DRAWS, prompts), (between + rest) * draws, np.zeros(DRAWS)
        half = half_width(*errors, n, seen.seeds, level)
        spread = math.sqrt(max(1e-24, (prompts + between) * (1 - 4 * distance**2)))
        points = np.quantile((distance - half) / spread, (np.arange(200) + 0.5) / 200)
        return sum(normal.cdf(float(z)) for z in points) / len(points)

    return chance


def _smallest_distance(chance: Callable[[float], float]) -> float | None:
    """The smallest distance from 0.5 that is found often enough; ``None`` where not even 0.5 is."""
    low, high = 0.0, 0.5
    if chance(high) < WANTED:
        return None
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (low, middle) if chance(middle) >= WANTED else (middle, high)
    return high


def _fewest_prompts(chance: Callable[[int], float], start: int) -> int | None:
    """The fewest prompts that find it often enough; ``None`` where not even ``MOST`` do."""
    high = max(MIN_PAIRS, start)
    while chance(high) < WANTED:
        high *= 2
        if high > MOST:
            return None
    low = 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= WANTED else (middle, high)
    return high
