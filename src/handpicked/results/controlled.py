"""A controlled win rate as results.json holds it."""

from __future__ import annotations

from handpicked.records import Estimate, NotEstimable
from handpicked.results.sections.comparisons import ControlledRate
from handpicked.statistics.length_control import Controlled


def controlled_rate(found: Controlled) -> ControlledRate:
    """The win rate, without a value where it is not estimable, and what a reader must know beside it."""
    rate = found.win_rate
    if isinstance(rate, NotEstimable):
        rate = Estimate(None, None, None, rate.n, rate.missing, "not estimable")
    rates = found.forms.values()
    return ControlledRate(
        value=rate.value,
        low=rate.low,
        high=rate.high,
        n=rate.n,
        missing=rate.missing,
        method=rate.method,
        reason=found.reason,
        forms=found.forms,
        range=(min(rates), max(rates)) if rates else None,
        both_sides=found.both_sides,
        effects=found.effects,
        near_equal=found.near,
    )
