"""Win rates with length and style held equal, and by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from handpicked.report.text import percent

Json = Mapping[str, Any]


def control_rows(comparison: Json) -> list[tuple[str, Json]]:
    """One comparison as judged, at equal length and style, and where its answer was the longer or the shorter one.

    A row is a label and an estimate of the win rate. One that could not be computed is left out, unless it says why.
    """
    lengths = comparison.get("by_length") or {}
    controlled = comparison["length_controlled"] or {}
    near = controlled.get("near_equal") or {"win_rate": None, "within": 0}
    rows = (
        ("as judged", comparison["strict"]["win_rate"]),
        ("at equal length", controlled),
        ("at equal length and style", comparison.get("style_controlled")),
        (f"within {near['within']:.0%} of equal length", near["win_rate"]),
        ("where its answer is longer", lengths.get("longer")),
        ("where its answer is shorter", lengths.get("shorter")),
    )
    return [(label, one) for label, one in rows if one and (one["value"] is not None or one.get("reason"))]


def control_note(estimate: Json) -> str:
    """What a reader must know beside a rate at equal length: why it cannot be told, or what other forms say."""
    reason, forms = estimate.get("reason"), estimate.get("range")
    if reason:
        return str(reason) if estimate["value"] is not None else f"no value: {reason}"
    if not forms:
        return ""
    return f"{percent(forms[0])} to {percent(forms[1])} over {len(estimate['forms'])} forms of control"


def near_note(comparison: Json) -> str:
    """How many pairs lie near equal length: ``42 of 310 pairs (14%) are within 20% of equal length``; empty where unknown."""
    near = (comparison["length_controlled"] or {}).get("near_equal")
    if not near or not near["of"]:
        return ""
    return f"{near['pairs']} of {near['of']} pairs ({percent(near['share'])}) are within {near['within']:.0%} of equal length"


def equal_text(estimate: Json | None) -> str:
    """A rate at equal length in one cell of a table."""
    if not estimate:
        return percent(None)
    if estimate["value"] is None:
        return "no value" if estimate.get("reason") else percent(None)
    apart = ", inconclusive" if estimate.get("both_sides") else ""
    return f"{percent(estimate['value'])}{apart}"


def group_rows(results: Json, main: Sequence[Json]) -> list[tuple[str, str, Json]]:
    """(kind, name, comparison) of every test set and category of the comparisons ``main``, where there are several."""
    found = []
    for one in main:
        same = [
            c
            for c in results["comparisons"]
            if (c["judge"], c["a"], c["b"]) == (one["judge"], one["a"], one["b"])
            if c["test_set"] != one["test_set"]
        ]
        found += [("test set", c["test_set"], c) for c in same]
        found += [
            ("category", name, {**c, "b": one["b"]}) for name, c in (one.get("categories") or {}).items()
        ]
    return found
