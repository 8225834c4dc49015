"""What the instructions of pool and subsets ask for, and how the candidate does on each type."""

from __future__ import annotations

from handpicked.results.benchmark_types import benchmark_types
from handpicked.results.benchmarks import lines_of
from handpicked.results.facts import RunFacts
from handpicked.results.schema import Instructions
from handpicked.results.told import Told
from handpicked.statistics.verb_noun import PromptType, by_type, verb_table


def instructions(run: RunFacts, told: Told) -> Instructions | None:
    """Verbs and objects of each set, and the first candidate by type of evaluation prompt (``by_type``) and
    of benchmark document (``on_benchmarks``); ``None`` where nobody looked.

    The seeds of an arm are pooled.
    """
    found = run.instructions
    if found is None:
        return None
    types = _by_type(run, told)
    verbs = [row.type for row in types]
    return Instructions(
        missing=found.missing,
        sets=tuple(verb_table(parsed, name) for name, parsed in found.sets.items()),
        by_type=tuple(types),
        on_benchmarks=None
        if found.missing
        else benchmark_types(
            run.benchmarks, lines_of(told.groups), run.candidates[0], found.documents, also=verbs
        ),
    )


def _by_type(run: RunFacts, told: Told) -> list[PromptType]:
    """Win rates by the first judge, and the held-out loss, by type of evaluation prompt."""
    assert run.instructions is not None
    verbs, candidate = run.instructions.prompts, run.candidates[0]
    if not verbs:
        return []
    base = told.groups[candidate][0].base
    untouched = next(
        (name for name, (arm, *_) in told.groups.items() if (arm.by, arm.base) == ("none", base)), None
    )
    losses = {
        name: [run.losses[arm.name] for arm in members if run.losses.get(arm.name)]
        for name, members in told.groups.items()
    }
    return by_type(verbs, told.main, candidate, losses, untouched, told.arm_of)
