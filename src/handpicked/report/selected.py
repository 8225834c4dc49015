"""Data for the sections on the selected rows beside the results: the order of sets, and shared axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handpicked.pages.text import number
from handpicked.records import Estimate
from handpicked.results.schema import Results
from handpicked.results.sections.arms import ArmSection
from handpicked.results.sections.selected import FeatureDifference
from handpicked.statistics.preference import FeatureEffect
from handpicked.statistics.verb_noun import VerbTable

Axis = tuple[float, float]


@dataclass(frozen=True)
class SelectedView:
    """For the page: instruction types, the audit's differences and the preference's effects, each with its
    axis.

    ``first`` and ``others`` are the sets of instructions, the pool and the candidate first; ``order`` are the
    verbs in the order that gives them their colours. ``longer`` is the candidate's difference from the pool
    in length.
    """

    first: Sequence[VerbTable]
    others: Sequence[VerbTable]
    order: Sequence[str]
    difference_axis: Axis
    differences: Sequence[FeatureDifference]
    longer: Estimate | None
    guard_names: Sequence[str]
    effects: Sequence[FeatureEffect]
    effect_axis: Axis


def selected_view(results: Results) -> SelectedView:
    """The view of these results."""
    candidate, preference = results.candidate, results.preference
    listed = [row for row in results.audit.differences if candidate in row.arms] if results.audit else []
    # Length has its own figure, and of the longest rows it would press all others together.
    features = [row for row in listed if row.feature != results.pool.measure]
    effects = preference.rows if preference else ()
    fitted = [(row.p, row) for row in effects if row.p is not None]
    sets = [one for one in results.instructions.sets if one.verbs] if results.instructions else []
    first = [one for place, one in enumerate(sets) if place == 0 or one.name == candidate]
    others = [one for one in sets if one not in first]
    return SelectedView(
        first=first,
        others=others,
        order=list(dict.fromkeys(verb.verb for one in (*first, *others) for verb in one.verbs)),
        difference_axis=_axis([row.arms[candidate] for row in features]),
        differences=sorted(features, key=lambda row: -abs(row.arms[candidate].value or 0)),
        longer=next((row.arms[candidate] for row in listed if row not in features), None),
        guard_names=_guard_names(results),
        effects=[row for _, row in sorted(fitted, key=lambda one: one[0])],
        effect_axis=_axis([row.effect for row in effects]),
    )


def scored_rows(arm: ArmSection) -> str:
    """A sentence on which rows an arm's scores were computed for, where these are not all; else nothing."""
    score = arm.settings.get("score")
    sample, prefilter = (
        (score.get("sample"), score.get("prefilter")) if isinstance(score, dict) else (None, None)
    )
    if sample is None and prefilter is None:
        return ""
    kept = "" if prefilter is None else f"what the prefilter {prefilter} keeps"
    drawn = f"a random sample of {number(sample)} rows" if isinstance(sample, int) else ""
    rows = f"{drawn} of {kept}" if drawn and kept else drawn or kept
    return f"{arm.name}: scores were computed for {rows} only; no other row could be selected."


def words(name: str) -> str:
    """The name of a feature for readers."""
    return name.replace("_", " ")


def _axis(estimates: Sequence[Estimate]) -> Axis:
    """A symmetric axis that holds every interval, and at least one standard deviation either way."""
    ends = [abs(end) for one in estimates for end in (one.low, one.high) if end is not None]
    reach = 1.1 * max([1.0, *ends])
    return -reach, reach


def _guard_names(results: Results) -> list[str]:
    """The guards that would drop a row of some subset, in order."""
    audits = [arm.selection.audit.get("guards", {}) for arm in results.arms if arm.selection]
    return list(dict.fromkeys(name for found in audits for name, guard in found.items() if guard["rows"]))
