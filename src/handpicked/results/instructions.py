"""What the instructions of pool and subsets ask for, and how the candidate does on each type."""

from __future__ import annotations

from handpicked.results.arm_verdicts import ArmVerdicts
from handpicked.results.benchmark_types import benchmark_types
from handpicked.results.benchmarks import lines_of
from handpicked.results.facts import RunFacts
from handpicked.results.sections.selected import Instructions
from handpicked.statistics.verb_noun import PromptType, by_type, verb_table


def instructions(run: RunFacts, grouped: ArmVerdicts) -> Instructions | None:
    """Verbs and objects of each set, and the first candidate by type of evaluation prompt (``by_type``) and
    of benchmark document (``on_benchmarks``); ``None`` where instructions were not parsed.

    The seeds of an arm are pooled.
    """
    found = run.instructions
    if found is None:
        return None
    types = _by_type(run, grouped)
    verbs = [row.type for row in types]
    return Instructions(
        missing=found.missing,
        sets=tuple(verb_table(parsed, name) for name, parsed in found.sets.items()),
        by_type=tuple(types),
        on_benchmarks=None
        if found.missing
        else benchmark_types(
            run.benchmarks, lines_of(grouped.groups), run.candidates[0], found.documents, also=verbs
        ),
    )


def _by_type(run: RunFacts, grouped: ArmVerdicts) -> list[PromptType]:
    """Win rates by the first judge, and the held-out loss, by type of evaluation prompt."""
    assert run.instructions is not None
    verbs, candidate = run.instructions.prompts, run.candidates[0]
    if not verbs:
        return []
    base = grouped.groups[candidate][0].base
    untouched = next(
        (name for name, (arm, *_) in grouped.groups.items() if (arm.by, arm.base) == ("none", base)), None
    )
    losses = {
        name: [run.losses[arm.name] for arm in members if run.losses.get(arm.name)]
        for name, members in grouped.groups.items()
    }
    return by_type(verbs, grouped.main, candidate, losses, untouched, grouped.arm_of)
