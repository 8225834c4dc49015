"""How few rows are enough: the arms of one family at several sizes.

Sizes are compared prompt by prompt. The best size is chosen by the same data that judge it, so the intervals
of the differences to it are simultaneous over every two sizes: whichever turned out best, they hold together
(multiple comparisons with the best, Hsu, 1996, chapter 4). They are made so by Bonferroni's inequality, which
for five independent sizes asks for 2.81 standard errors where Tukey's exact range asks for 2.73, and holds
everything that sizes have in common.

The rule: a size is *not shown to be worse* than the best when the simultaneous 95% interval of its difference
to it reaches zero. The smallest such size is named, with the deficit that its interval leaves room for: few
prompts excuse much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from handpicked.records import Estimate
from handpicked.statistics import seeds
from handpicked.statistics.crossed import LEVEL, Crossed, crossed, of_mean
from handpicked.statistics.estimates import over
from handpicked.statistics.seeds import Values


@dataclass(frozen=True, slots=True)
class Point:
    """One size: its ``arm``, the ``rows`` of its subset, its ``value``, and how far
    it lies from the best size.

    ``to_best`` is this size minus the best, with a simultaneous interval; ``None`` for the best itself.
    ``enough``: it is not shown to be worse than the best.
    """

    arm: str
    rows: int
    value: Estimate
    to_best: Estimate | None
    enough: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """``points`` by rows, smallest first. ``best`` and ``smallest`` are arms; ``smallest`` is the
    fewest rows that are enough.

    ``deficit``: how much worse than the best the smallest may still be (0 for the best
    itself), in the measure's unit.
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
) -> Curve | None:
    """The curve of one measure: ``values`` maps arm to one mapping a seed from prompt to value,
    ``rows`` arm to its size.

    Only prompts with a value at every size count; ``None`` when fewer than two sizes or two prompts are left.
    """
    arms = sorted((arm for arm in values if values[arm]), key=lambda arm: (rows[arm], arm))
    prompts = _shared(values, arms)
    if len(arms) < 2 or len(prompts) < 2:
        return None
    flat = {arm: _flat(values[arm], prompts) for arm in arms}
    means = {arm: math.fsum(one.values) / len(one.values) for arm, one in flat.items()}
    sign = 1.0 if better == "high" else -1.0
    best = max(arms, key=lambda arm: (sign * means[arm], -rows[arm]))
    pairs = math.comb(len(arms), 2)
    points = []
    for arm in arms:
        kept = [{p: v for p, v in listed.items() if p in prompts} for listed in values[arm]]
        to_best = None if arm == best else _difference(flat[arm], flat[best], means[arm] - means[best], pairs)
        enough = to_best is None or _reaches(to_best, sign)
        points.append(Point(arm, rows[arm], seeds.mean(kept, share=share), to_best, enough))
    smallest = next(point for point in points if point.enough)
    return Curve(tuple(points), best, smallest.arm, _deficit(smallest.to_best, sign))


def _shared(values: Mapping[str, Sequence[Values]], arms: Sequence[str]) -> dict[str, None]:
    """The prompts that have a value in every seed of every size, in a fixed order."""
    sets = [{p for p, v in listed.items() if v is not None} for arm in arms for listed in values[arm]]
    return dict.fromkeys(sorted(set.intersection(*sets))) if sets else {}


@dataclass(frozen=True, slots=True)
class _Flat:
    """All values of one size, and the prompt and the seed of each."""

    values: list[float]
    prompts: list[str]
    seeds: list[int]


def _flat(listed: Sequence[Values], prompts: Mapping[str, None]) -> _Flat:
    known = [(one[p], p, k) for k, one in enumerate(listed) for p in prompts]
    return _Flat(
        [value for value, _, _ in known if value is not None],
        [p for _, p, _ in known],
        [k for *_, k in known],
    )


def _difference(arm: _Flat, best: _Flat, middle: float, pairs: int) -> Estimate:
    """How far a size lies above the best, with an interval that holds together with those
    of all ``pairs`` of sizes.
    """
    sides = [of_mean(side.prompts, side.values, side.seeds) for side in (arm, best)]
    parts = [
        sign * (value - math.fsum(side.values) / len(side.values)) / len(side.values)
        for sign, side in ((1, arm), (-1, best))
        for value in side.values
    ]
    over_prompts = crossed(np.array(parts), arm.prompts + best.prompts).over_prompts
    found = Crossed(
        sides[0].prompts,
        min((side.seeds for side in sides if side.seeds > 1), default=1),
        over_prompts,
        sum(side.over_seeds for side in sides),
    )
    half = found.half(LEVEL / pairs)
    method = f"paired t interval over {over(found)}, simultaneous over {pairs} pairs of sizes (Bonferroni)"
    return Estimate(middle, middle - half, middle + half, found.prompts, 0, method)


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
    described = f"{best.rows:,} rows ({say(best.value.value)})"
    n = best.value.n
    if best is curve.points[0]:
        return f"By {measure}, the smallest size of {family}, {described}, is also the best, n = {n}."
    if smallest is best:
        return f"By {measure}, every size of {family} below the best, {described}, is worse, n = {n}."
    return (
        f"By {measure}, {smallest.rows:,} rows of {family} ({say(smallest.value.value)}) are "
        "not shown to be worse than the "
        f"best, {described}, n = {n}; they may still be worse by up to {gap(curve.deficit)}."
    )
