"""Draws the pairs that people see: a seeded sample, stratified in proportion."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from handpicked.votes.case import Case, order_key

Stratum = tuple[str, str, str, str, str]


def stratum(case: Case) -> Stratum:
    """The two arms, the test set, the main judge's strict verdict, and which answer is longer."""
    verdict = case.verdicts[0].strict if case.verdicts else "none"
    return case.pair.a, case.pair.b, case.pair.test_set, verdict, case.longer or "alike"


def sample(cases: Sequence[Case], size: int, seed: int) -> list[Case]:
    """At most ``size`` cases, in the order in which everyone sees them.

    Every stratum has its share of the sample, give or take a case or two; one smaller than a share may be
    absent. Shares are proportional, so that agreement on the sample estimates agreement on all pairs. The
    i-th of a stratum's m cases, in seeded order, stands at (i + u) / m of the way with one random u a
    stratum: strata are spread evenly, a smaller sample is the beginning of a larger one, and two annotators
    who stop early have seen the same pairs.
    """
    strata: dict[Stratum, list[Case]] = defaultdict(list)
    for case in cases:
        strata[stratum(case)].append(case)
    placed = []
    for name, members in strata.items():
        offset = random.Random(repr((seed, name))).random()
        members.sort(key=lambda case: order_key(case, seed))
        placed += [((i + offset) / len(members), case.id, case) for i, case in enumerate(members)]
    return [case for _, _, case in sorted(placed, key=lambda item: item[:2])[:size]]
