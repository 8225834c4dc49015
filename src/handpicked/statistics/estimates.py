"""Shares and means with 95% intervals over prompts and, where there are several, training seeds.

The unit is the prompt with everything judged on it, because judgements on one prompt depend on each other;
``crossed`` finds the variance. A share has the interval of Wilson (1927) with an effective sample size in
place of n, which stays between 0 and 1 and covers also near them (Korn and Graubard, 1998, Survey Methodology
24(2), 193-201; recommended by Franco, Little, Louis and Slud, 2019, Journal of Survey Statistics and
Methodology 7(3), 334-364), so that ties, repeated prompts and seeds count by the information that they add. A
mean has that of Student, wider on the side of a long tail (``Crossed.sides``).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from handpicked.records import Estimate
from handpicked.statistics.crossed import Crossed, of_mean

Z95 = 1.959963984540054
ALIKE = 1e-9
"""Half widths below this are what rounding leaves of zero."""


def share(
    prompts: Sequence[Hashable],
    hits: Sequence[float],
    *,
    seeds: Sequence[Hashable] | None = None,
    missing: int = 0,
) -> Estimate:
    """The mean of ``hits`` (each 0 to 1). ``prompts`` and ``seeds`` say what each
    belongs to. No hits: no value.

    Where every prompt is alike its variance is 0 and says nothing; then the interval reaches as far as
    Wilson's for a kind of prompt of which none was seen, and ``method`` says so.
    """
    if len(hits) == 0:
        return Estimate(None, None, None, 0, missing, "nothing to count")
    value, found = math.fsum(hits) / len(hits), of_mean(prompts, hits, seeds)
    low, high, method = share_interval(value, found)
    return Estimate(value, low, high, len(hits), missing, method)


def share_interval(value: float, found: Crossed) -> tuple[float, float, str]:
    """The ends of the interval of a share, and its method."""
    n = found.prompts
    if found.half() < ALIKE or value in (0.0, 1.0):
        unseen = wilson(0.0, n)[1]
        return (
            value * (1 - unseen),
            value + unseen * (1 - value),
            f"Wilson interval over {n} prompts, all alike",
        )
    if n == 1:
        low, high = wilson(value, 1)
        return low, high, "Wilson interval over 1 prompt"
    effective = value * (1 - value) * (Z95 / found.half()) ** 2
    low, high = wilson(value, effective)
    return low, high, f"Wilson interval of the effective size, over {over(found)}"


def mean(
    prompts: Sequence[Hashable],
    values: Sequence[float],
    *,
    seeds: Sequence[Hashable] | None = None,
    missing: int = 0,
) -> Estimate:
    """The mean of any numbers. One prompt alone has no interval."""
    if len(values) == 0:
        return Estimate(None, None, None, 0, missing, "nothing to average")
    value, found = math.fsum(values) / len(values), of_mean(prompts, values, seeds)
    if found.prompts == 1:
        return Estimate(value, None, None, len(values), missing, "one prompt: no interval")
    below, above = found.sides()
    return Estimate(
        value, value - below, value + above, len(values), missing, f"t interval over {over(found)}"
    )


def share_p_value(value: float, even: float, found: Crossed) -> float:
    """A two-sided p-value of the share being ``even``, as Wilson's interval tests it (``Crossed.p_value``)."""
    spread = value * (1 - value)
    return found.p_value(abs(value - even) * math.sqrt(spread / (even * (1 - even))))


def lies_above(estimate: Estimate, value: float) -> bool:
    """Whether the whole interval lies above ``value``; not so without an interval."""
    return estimate.low is not None and estimate.low > value


def lies_below(estimate: Estimate, value: float) -> bool:
    """Whether the whole interval lies below ``value``; not so without an interval."""
    return estimate.high is not None and estimate.high < value


def over(found: Crossed) -> str:
    """What an interval covers, in words."""
    prompts = f"{found.prompts} prompt{'s' if found.prompts != 1 else ''}"
    return prompts if found.seeds == 1 else f"{prompts} and {found.seeds} seeds"


def wilson(value: float, n: float) -> tuple[float, float]:
    """Wilson's (1927) score interval for a proportion ``value`` of ``n`` (an effective
    size may be broken), 95%.
    """
    centre = (value + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(value * (1 - value) / n + Z95**2 / (4 * n**2))
    return 0.0 if value == 0 else centre - half, 1.0 if value == 1 else centre + half
