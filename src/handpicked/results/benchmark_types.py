"""How the candidate's benchmark scores change by type of instruction: paired differences over
the documents of each type.

The documents of all benchmarks are pooled, each counting once; which of them a type's documents come from is
listed beside it, for the verb of a question or of a story is not what an instruction's verb is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from handpicked.records import Estimate
from handpicked.results.benchmarks import Line, paired
from handpicked.results.facts import BenchFacts
from handpicked.results.sections.benchmarks import BenchmarkTypes, DocumentType
from handpicked.statistics.verb_noun import NONE, WITHOUT, in_order, most_common, proportion, types_of

Verbs = Mapping[str, Mapping[str, "str | None"]]
"""The root verb of each document that asks something, by benchmark and document."""


@dataclass(frozen=True)
class _Pooled:
    """The documents of several benchmarks: ``values`` by model and document, ``benchmark`` and
    ``type`` of each document.
    """

    values: Mapping[str, Mapping[str, float]]
    benchmark: Mapping[str, str]
    type: Mapping[str, str]


def benchmark_types(
    facts: Sequence[BenchFacts],
    lines: Sequence[Line],
    candidate: str,
    verbs: Verbs,
    also: Collection[str] = (),
) -> BenchmarkTypes | None:
    """By type of document, how far the candidate lies above the base model and above training on everything.

    A document that ``verbs`` lacks is of type ``WITHOUT``; the verbs of ``also`` are types of their own
    beside the most common, so that a large benchmark does not hide them. Benchmarks take part whose values
    lie from 0 to 1 with higher better; ``left_out`` says why another does not. The differences (``to_base``,
    ``to_full``; ``None`` where there is no such arm) are those of ``benchmarks.paired``, in shares of 1.
    ``overall`` is the row of all documents, ``no_verb`` the share without a root verb among those with text.
    No correction for the number of types. ``None`` where no arm to compare with has values.
    """
    members = {line.arm: line.members for line in lines}
    mine = next(line for line in lines if line.arm == candidate)
    rivals = {
        key: members[arm] if arm is not None and arm != candidate else ()
        for key, arm in (("to_base", mine.base), ("to_full", mine.full))
    }
    theirs = {model for models in rivals.values() for model in models}
    ours = [fact for fact in facts if fact.arm in theirs or fact.arm in mine.members]
    if not any(fact.values for fact in ours if fact.arm in theirs):
        return None
    left_out = _left_out(ours, mine.members)
    pooled = _pooled([fact for fact in ours if fact.benchmark not in left_out], verbs, also)

    types: dict[str, list[str]] = {}
    for doc, kind in pooled.type.items():
        types.setdefault(kind, []).append(doc)
    with_text = len(pooled.type) - len(types.get(WITHOUT, ()))
    return BenchmarkTypes(
        left_out=left_out,
        no_verb=proportion(len(types.get(NONE, ())), with_text),
        overall=_row("all documents", list(pooled.type), pooled, mine.members, rivals),
        rows=tuple(
            _row(name, types[name], pooled, mine.members, rivals)
            for name in in_order({name: len(listed) for name, listed in types.items()})
        ),
    )


def _row(
    name: str,
    documents: Sequence[str],
    pooled: _Pooled,
    mine: Sequence[str],
    rivals: Mapping[str, Sequence[str]],
) -> DocumentType:
    """One type. A difference counts as missing every document and seed of the type that it is not over."""
    parts = {
        model: {doc: known[doc] for doc in documents if doc in known}
        for model, known in pooled.values.items()
    }
    found: dict[str, Estimate | None] = {}
    for key, models in rivals.items():
        change = paired(*([parts.get(model, {}) for model in side] for side in (mine, models)))
        wanted = len(documents) * max(len(mine), len(models))
        found[key] = None if change is None else replace(change, missing=wanted - change.n)
    return DocumentType(
        type=name,
        documents=len(documents),
        benchmarks=dict(most_common(Counter(pooled.benchmark[doc] for doc in documents))),
        to_base=found["to_base"],
        to_full=found["to_full"],
    )


def _left_out(facts: Iterable[BenchFacts], members: Sequence[str]) -> dict[str, str]:
    """The benchmarks whose documents cannot be pooled with others', and why."""
    by_name: dict[str, list[BenchFacts]] = {}
    for fact in facts:
        by_name.setdefault(fact.benchmark, []).append(fact)
    found = {}
    for name, same in by_name.items():
        if not any(fact.values for fact in same if fact.arm in members):
            found[name] = "no values by document"
        elif not all(fact.higher_is_better for fact in same):
            found[name] = "lower is better"
        elif not all(0 <= value <= 1 for fact in same for value in fact.values.values()):
            found[name] = "values beyond 0 to 1"
    return found


def _pooled(facts: Iterable[BenchFacts], verbs: Verbs, also: Collection[str]) -> _Pooled:
    values: dict[str, dict[str, float]] = {}
    benchmark: dict[str, str] = {}
    known: dict[str, str | None] = {}
    for fact in facts:
        verbs_of, mine = verbs.get(fact.benchmark, {}), values.setdefault(fact.arm, {})
        for doc in {**fact.values, **verbs_of}:
            place = f"{fact.benchmark} {doc}"
            benchmark[place] = fact.benchmark
            if doc in fact.values:
                mine[place] = fact.values[doc]
            if doc in verbs_of:
                known[place] = verbs_of[doc]
    return _Pooled(values, benchmark, {**dict.fromkeys(benchmark, WITHOUT), **types_of(known, also)})
