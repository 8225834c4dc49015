"""How many prompts would settle an undecided comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from handpicked.analyze.bootstrap import Z95, totals_by_prompt, with_ones
from handpicked.analyze.win_rate import Rule, worth
from handpicked.records import Verdict

Z_POWER = 0.8416212335729143  # the 80% quantile of the standard normal distribution


@dataclass(frozen=True, slots=True)
class Power:
    """``needed``: prompts in all, for an 80% chance that the 95% interval leaves out 0.5 if the true rate is
    what was seen; ``more`` of them on top of these. Both ``None`` when the rate seen is exactly even: no
    number settles that.

    ``detectable``: the smallest distance of the win rate from 0.5 that these prompts find 4 times of 5.
    """

    prompts: int
    needed: int | None
    more: int | None
    detectable: float | None


def power(verdicts: Sequence[Verdict], rule: Rule = "strict") -> Power:
    """Sample size of the one-sample z-test, n = ((z + z_power) * sd / difference)^2 (Cohen, 1988; Miller,
    2024, section 5).

    The standard deviation is that of the prompts' mean worths, so ties make it small and repeated prompts
    count once.
    """
    values = [(v.prompt_id, value) for v in verdicts if (value := worth(v, rule)) is not None]
    if len(values) < 2:
        return Power(len(values), None, None, None)
    totals = totals_by_prompt([p for p, _ in values], with_ones([value for _, value in values]))
    means = totals[:, 0] / totals[:, 1]
    n = len(means)
    if n < 2:
        return Power(n, None, None, None)
    spread = float(means.std(ddof=1))
    difference = abs(float(means.mean()) - 0.5)
    detectable = (Z95 + Z_POWER) * spread / math.sqrt(n)
    if difference == 0:
        return Power(n, None, None, detectable)
    needed = max(2, math.ceil(((Z95 + Z_POWER) * spread / difference) ** 2))
    settled = difference > Z95 * spread / math.sqrt(n)
    return Power(n, needed, 0 if settled else max(0, needed - n), detectable)
