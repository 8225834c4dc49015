"""The win rates again with length and style held equal, and by group: what the answer's lead is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]


def control_rows(comparison: Json) -> list[tuple[str, Json]]:
    """One comparison as judged, at equal length and style, and where its answer was the longer or the shorter one.

    A row is a label and an estimate of the win rate; rows that could not be computed are left out.
    """
    lengths = comparison.get("by_length") or {}
    rows = (
        ("as judged", comparison["strict"]["win_rate"]),
        ("at equal length", comparison["length_controlled"]),
        ("at equal length and style", comparison.get("style_controlled")),
        ("where its answer is longer", lengths.get("longer")),
        ("where its answer is shorter", lengths.get("shorter")),
    )
    return [(label, estimate) for label, estimate in rows if estimate and estimate["value"] is not None]


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
