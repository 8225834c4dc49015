"""What the sections on the selected rows need beside the results: which sets are shown first, and shared axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from handpicked.report.text import number

Json = Mapping[str, Any]


def selected_view(results: Json) -> dict[str, Any]:
    """For the page: instruction types, the audit's differences and the preference's effects, each with its axis."""
    audit, preference = results.get("audit"), results.get("preference")
    candidate = results["candidate"]
    told = [row for row in audit["differences"] if candidate in row["arms"]] if audit else []
    # Length has its own figure, and of the longest rows it would press all others together.
    features = [row for row in told if row["feature"] != results["pool"]["measure"]]
    return {
        "instructions": _instructions(results),
        "difference_axis": _axis([row["arms"][candidate] for row in features]),
        "differences": sorted(features, key=lambda row: -abs(row["arms"][candidate]["value"] or 0)),
        "longer": next((row["arms"][candidate] for row in told if row not in features), None),
        "guard_names": _guard_names(results),
        "effects": sorted(
            (row for row in preference["rows"] if row["p"] is not None), key=lambda row: row["p"]
        )
        if preference
        else [],
        "effect_axis": _axis([row["effect"] for row in preference["rows"]] if preference else []),
    }


def scored_rows(arm: Json) -> str:
    """A sentence on which rows an arm's scores were computed for, where these are not all; else nothing."""
    score = arm["settings"].get("score", {})
    sample, prefilter = score.get("sample"), score.get("prefilter")
    if sample is None and prefilter is None:
        return ""
    kept = "" if prefilter is None else f"what the prefilter {prefilter} keeps"
    drawn = "" if sample is None else f"a random sample of {number(sample)} rows"
    rows = f"{drawn} of {kept}" if drawn and kept else drawn or kept
    return f"{arm['name']}: scores were computed for {rows} only; no other row could be selected."


def words(name: str) -> str:
    """The name of a feature as a reader says it."""
    return name.replace("_", " ")


def _instructions(results: Json) -> dict[str, Any] | None:
    """The sets of instructions, the pool and the candidate first, and the verbs in the order that gives them their colours."""
    found = results.get("instructions")
    if not found:
        return None
    sets = [one for one in found["sets"] if one["verbs"]]
    first = [one for place, one in enumerate(sets) if place == 0 or one["name"] == results["candidate"]]
    others = [one for one in sets if one not in first]
    order = list(dict.fromkeys(verb["verb"] for one in (*first, *others) for verb in one["verbs"]))
    rivals = list(found["by_type"][0]["win_rates"]) if found["by_type"] else []
    return {
        **found,
        "first": first,
        "others": others,
        "order": order,
        "rivals": rivals,
        "on_benchmarks": found.get("on_benchmarks"),
    }


def _axis(estimates: Sequence[Json | None]) -> tuple[float, float]:
    """A symmetric axis that holds every interval, and at least one standard deviation either way."""
    ends = [abs(one[end]) for one in estimates if one for end in ("low", "high") if one[end] is not None]
    reach = 1.1 * max([1.0, *ends])
    return -reach, reach


def _guard_names(results: Json) -> list[str]:
    """The guards that the audits of the subsets counted, in order."""
    audits = [arm["selection"]["audit"] for arm in results["arms"] if arm["selection"]]
    return list(dict.fromkeys(name for audit in audits for name in audit.get("guards", {})))
