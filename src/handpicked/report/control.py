"""Win rates with length and style held equal, and by group."""

from __future__ import annotations

from collections.abc import Sequence

from handpicked.pages.text import percent
from handpicked.records import Estimate
from handpicked.results.schema import Results
from handpicked.results.sections.comparisons import ArmComparison, ControlledRate

Rate = Estimate | ControlledRate


def control_rows(comparison: ArmComparison) -> list[tuple[str, Rate]]:
    """One comparison as judged, at equal length and style, and where its answer was the longer or the shorter
    one.

    A row is a label and an estimate of the win rate. One that could not be computed is left out, unless it
    says why.
    """
    near = comparison.length_controlled.near_equal
    rows: tuple[tuple[str, Rate | None], ...] = (
        ("as judged", comparison.strict.win_rate),
        ("at equal length", comparison.length_controlled),
        ("at equal length and style", comparison.style_controlled),
        (f"within {near.within:.0%} of equal length", near.win_rate),
        ("where its answer is longer", comparison.by_length.get("longer")),
        ("where its answer is shorter", comparison.by_length.get("shorter")),
    )
    return [(label, one) for label, one in rows if one and (one.value is not None or _reason(one))]


def _reason(rate: Rate) -> str | None:
    return rate.reason if isinstance(rate, ControlledRate) else None


def control_note(rate: Rate) -> str:
    """The note on a rate at equal length: why it has no value, or its range over other forms."""
    if not isinstance(rate, ControlledRate):
        return ""
    if rate.reason:
        return rate.reason if rate.value is not None else f"no value: {rate.reason}"
    if not rate.range:
        return ""
    low, high = rate.range
    return f"{percent(low)} to {percent(high)} over {len(rate.forms)} forms of control"


def near_note(comparison: ArmComparison) -> str:
    """How many pairs are near equal length: ``42 of 310 pairs (14%) are within 20% of equal length``; empty
    where unknown.
    """
    near = comparison.length_controlled.near_equal
    if not near.of:
        return ""
    share = f"{near.pairs} of {near.of} pairs ({percent(near.share)})"
    return f"{share} are within {near.within:.0%} of equal length"


def equal_text(rate: Rate | None) -> str:
    """A rate at equal length in one cell of a table."""
    if rate is None:
        return percent(None)
    if rate.value is None:
        return "no value" if _reason(rate) else percent(None)
    apart = isinstance(rate, ControlledRate) and rate.both_sides
    return f"{percent(rate.value)}{', inconclusive' if apart else ''}"


def group_rows(results: Results, main: Sequence[ArmComparison]) -> list[tuple[str, str, ArmComparison]]:
    """(kind, name, comparison) of every test set and category of the comparisons ``main``, where there are
    several.
    """
    found = []
    for one in main:
        same = [
            c
            for c in results.comparisons
            if (c.judge, c.a, c.b) == (one.judge, one.a, one.b) and c.test_set != one.test_set
        ]
        found += [("test set", c.test_set, c) for c in same]
        found += [("category", name, c) for name, c in one.categories.items()]
    return found
