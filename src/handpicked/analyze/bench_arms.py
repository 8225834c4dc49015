"""The benchmark table of arms with seeds and on several base models: seeds pooled, each arm against those of its own base."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, variance
from typing import Any

from handpicked.analyze.benchmarks import benchmark_table
from handpicked.analyze.facts import ArmFacts, BenchFacts

Json = dict[str, Any]
Groups = Mapping[str, Sequence[ArmFacts]]


def table_of_arms(
    facts: Sequence[BenchFacts], groups: Groups, averages: Mapping[str, Sequence[str]] | None = None
) -> list[Json]:
    """``benchmark_table`` with one cell an arm, whose differences are to the untouched model and the full pool of its base.

    ``facts`` name models, ``groups`` has the models of each arm.
    """
    pooled = _pooled(facts, groups)
    rows: dict[str, Json] = {}
    for base in dict.fromkeys(members[0].base for members in groups.values()):
        here = {name: members[0].by for name, members in groups.items() if members[0].base == base}
        table = benchmark_table(
            [fact for fact in pooled if fact.arm in here],
            base=next((name for name, by in here.items() if by == "none"), None),
            full=next((name for name, by in here.items() if by == "full"), None),
            averages=averages if any(fact.arm in here for fact in pooled) else None,
        )
        for row in table:
            known = rows.setdefault(row["benchmark"], {**row, "arms": []})
            known["arms"] = [*known["arms"], *row["arms"]]
    return list(rows.values())


def _pooled(facts: Sequence[BenchFacts], groups: Groups) -> list[BenchFacts]:
    """One fact for each benchmark of each arm, in the order of ``facts``."""
    arm_of = {member.name: name for name, members in groups.items() for member in members}
    found: dict[tuple[str, str], list[BenchFacts]] = {}
    for fact in facts:
        found.setdefault((fact.benchmark, arm_of.get(fact.arm, fact.arm)), []).append(fact)
    return [_of_seeds(arm, listed) for (_, arm), listed in found.items()]


def _of_seeds(arm: str, facts: Sequence[BenchFacts]) -> BenchFacts:
    """The mean over seeds, document by document; its squared error adds the seeds' to the documents'.

    An arm of which a seed has no score has none either: the mean of the others would be another arm's.
    """
    first = facts[0]
    if len(facts) == 1:
        return replace(first, arm=arm)
    lacking = next((fact for fact in facts if fact.value is None), None)
    if lacking is not None:
        return replace(lacking, arm=arm, reason=f"{lacking.arm}: {lacking.reason}")
    scores = [fact.value for fact in facts if fact.value is not None]
    errors = [fact.stderr for fact in facts if fact.stderr is not None]
    stderr = math.sqrt(fmean(e**2 for e in errors) + variance(scores) / len(scores)) if errors else None
    shared = [doc for doc in first.values if all(doc in fact.values for fact in facts)]
    told = [doc for doc in first.characters if all(doc in fact.characters for fact in facts)]
    return replace(
        first,
        arm=arm,
        value=fmean(scores),
        stderr=stderr,
        values={doc: fmean(fact.values[doc] for fact in facts) for doc in shared},
        characters={doc: round(fmean(fact.characters[doc] for fact in facts)) for doc in told},
        metrics={},
        subtasks={},
        notes=[
            *first.notes,
            f"{arm}: the mean of {len(facts)} seeds; its differences leave the seeds' spread out",
        ],
    )
