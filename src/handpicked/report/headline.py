"""The comparisons that answer the experiment's question, and all others."""

from __future__ import annotations

from handpicked.results.schema import Results
from handpicked.results.sections.comparisons import ArmComparison


def headline_comparisons(results: Results) -> list[ArmComparison]:
    """The candidate against each rival over all prompts, by the first judge: the figure of the answer."""
    if not results.judges:
        return []
    return [
        item for item in results.comparisons if item.a in results.candidates and first_over_all(item, results)
    ]


def first_over_all(comparison: ArmComparison, results: Results) -> bool:
    """Whether it is by the first judge and over all prompts."""
    return (comparison.judge, comparison.test_set) == (results.judges[0].name, "all")


def other_comparisons(results: Results) -> list[ArmComparison]:
    """All others, in their order."""
    shown = headline_comparisons(results)
    return [item for item in results.comparisons if item not in shown]


def headline_first(results: Results) -> list[ArmComparison]:
    """All comparisons, those of the headline first."""
    return [*headline_comparisons(results), *other_comparisons(results)]
