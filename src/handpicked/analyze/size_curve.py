"""How few rows are enough: the arms of one family at several sizes, against one yardstick.

Sizes are compared prompt by prompt on shared resamples. The best size is chosen by the same data that judge it, so the
intervals of the differences to it are simultaneous over every two sizes: whichever turned out best, they hold together
(multiple comparisons with the best, Hsu, 1996, chapter 4; the critical value is the 95% quantile of the largest |t| over
all pairs, Westfall and Young, 1993).

The rule: a size is *not shown to be worse* than the best when the simultaneous 95% interval of its difference to it reaches
zero. The smallest such size is named, with the deficit that its interval leaves room for: few prompts excuse much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from handpicked.analyze import bootstrap, seeds
from handpicked.analyze.seeds import Values
from handpicked.records import Estimate

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Point:
    """One size: its ``arm``, the ``rows`` of its subset, its ``value``, and how far it lies from the best size.

    ``to_best`` is this size minus the best, with a simultaneous interval; ``None`` for the best itself. ``enough``: it is
    not shown to be worse than the best.
    """

    arm: str
    rows: int
    value: Estimate
    to_best: Estimate | None
    enough: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """``points`` by rows, smallest first. ``best`` and ``smallest`` are arms; ``smallest`` is the fewest rows that are enough.

    ``deficit``: how much worse than the best the smallest may still be (0 for the best itself), in the measure's unit.
    """

    points: tuple[Point, ...]
    best: str
    smallest: str
    deficit: float


def size_curve(
    values: Mapping[str, Sequence[Values]],
    rows: Mapping[str, int],
    better: Literal["high", "low"],
    *,
    share: bool = False,
    seed: int = 0,
) -> Curve | None:
    """The curve of one measure: ``values`` maps arm to one mapping a seed from prompt to value, ``rows`` arm to its size.

    Only prompts with a value at every size count; ``None`` when fewer than two sizes or two prompts are left.
    """
    arms = sorted((arm for arm in values if values[arm]), key=lambda arm: (rows[arm], arm))
    prompts = _shared(values, arms)
    if len(arms) < 2 or len(prompts) < 2:
        return None
    tables = {arm: seeds.table(values[arm], list(prompts)) for arm in arms}
    draws = {arm: seeds.resampled_means(tables[arm], seed=seed, stream=i) for i, arm in enumerate(arms)}
    means = {arm: float(t[:, :, 0].sum() / t[:, :, 1].sum()) for arm, t in tables.items()}
    sign = 1.0 if better == "high" else -1.0
    best = max(arms, key=lambda arm: (sign * means[arm], -rows[arm]))
    critical = _critical(draws, means)
    points = []
    for arm in arms:
        kept = [{p: v for p, v in listed.items() if p in prompts} for listed in values[arm]]
        to_best = None if arm == best else _difference(arm, best, draws, means, critical, len(prompts), seed)
        enough = to_best is None or _reaches(to_best, sign)
        points.append(Point(arm, rows[arm], seeds.mean(kept, share=share), to_best, enough))
    smallest = next(point for point in points if point.enough)
    return Curve(tuple(points), best, smallest.arm, _deficit(smallest.to_best, sign))


def _shared(values: Mapping[str, Sequence[Values]], arms: Sequence[str]) -> dict[str, None]:
    """The prompts that have a value in every seed of every size, in a fixed order."""
    sets = [{p for p, v in listed.items() if v is not None} for arm in arms for listed in values[arm]]
    return dict.fromkeys(sorted(set.intersection(*sets))) if sets else {}


def _critical(draws: Mapping[str, np.ndarray], means: Mapping[str, float]) -> float:
    """The 95% quantile of the largest |difference - its mean| over its standard error, over every two sizes."""
    import numpy as np

    largest = np.zeros(bootstrap.RESAMPLES)
    for a, b in combinations(draws, 2):
        moved = draws[a] - draws[b] - (means[a] - means[b])
        spread = float(moved.std())
        if spread > 0:
            largest = np.maximum(largest, np.abs(moved) / spread)
    return float(np.quantile(largest, 0.95))


def _difference(
    arm: str,
    best: str,
    draws: Mapping[str, np.ndarray],
    means: Mapping[str, float],
    critical: float,
    prompts: int,
    seed: int,
) -> Estimate:
    middle = means[arm] - means[best]
    half = critical * float((draws[arm] - draws[best]).std())
    method = (
        f"paired over {prompts} prompts, simultaneous over {len(draws)} sizes (largest |t| of {bootstrap.RESAMPLES} "
        f"resamples, seed {seed})"
    )
    return Estimate(middle, middle - half, middle + half, prompts, 0, method)


def _reaches(difference: Estimate, sign: float) -> bool:
    end = difference.high if sign > 0 else difference.low
    return end is not None and sign * end >= 0


def _deficit(difference: Estimate | None, sign: float) -> float:
    if difference is None or difference.low is None or difference.high is None:
        return 0.0
    return max(0.0, -sign * (difference.low if sign > 0 else difference.high))


Say = Callable[["float | None"], str]
"""Writes a value of a measure."""


def sentence(curve: Curve, family: str, measure: str, say: Say, gap: Say) -> str:
    """The curve in words; ``say`` writes a value of the measure, ``gap`` a difference of two."""
    by_arm = {point.arm: point for point in curve.points}
    best, smallest = by_arm[curve.best], by_arm[curve.smallest]
    told = f"{best.rows:,} rows ({say(best.value.value)})"
    n = best.value.n
    if best is curve.points[0]:
        return f"By {measure}, the smallest size of {family}, {told}, is also the best, n = {n}."
    if smallest is best:
        return f"By {measure}, every size of {family} below the best, {told}, is worse, n = {n}."
    return (
        f"By {measure}, {smallest.rows:,} rows of {family} ({say(smallest.value.value)}) are not shown to be worse than the "
        f"best, {told}, n = {n}; they may still be worse by up to {gap(curve.deficit)}."
    )
