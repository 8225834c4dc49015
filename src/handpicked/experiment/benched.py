"""A finished benchmark of one arm, as ``results`` reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handpicked.bench import AVERAGES, BENCHMARKS
from handpicked.records import Json
from handpicked.results.facts import BenchFacts
from handpicked.store import Stage


@dataclass(frozen=True)
class Benched:
    """One benchmark on one arm. ``result`` is a ``BenchResult`` as JSON; it and ``stage`` are None when it
    failed, and ``failed`` says why. ``samples`` are its documents, a ``BenchSample`` each as JSON.
    """

    arm: str
    benchmark: str
    result: Json | None
    samples: Sequence[Json] = ()
    stage: Stage | None = None
    failed: str | None = None


def bench_facts(one: Benched) -> BenchFacts:
    """What the benchmark table says of it."""
    benchmark = BENCHMARKS.get(one.benchmark)
    short = benchmark is not None and benchmark.short_answer
    if one.result is None:
        metric = benchmark.metric if benchmark else ""
        return BenchFacts(one.arm, one.benchmark, metric, short_answer=short, reason=one.failed, failed=True)
    result, metric = one.result, one.result["metric"]
    documents = {_document(sample): sample for sample in one.samples}
    return BenchFacts(
        arm=one.arm,
        benchmark=one.benchmark,
        metric=metric,
        value=result["score"]["value"],
        stderr=result["score"]["stderr"],
        n=result["score"]["n"],
        higher_is_better=result["higher_is_better"],
        shots=result["shots"],
        chat=result["chat"],
        short_answer=short,
        values={doc: s["values"][metric] for doc, s in documents.items() if metric in s["values"]},
        characters={doc: s["characters"] for doc, s in documents.items() if s["characters"] is not None},
        metrics=result["metrics"],
        subtasks=result["subtasks"],
        notes=result["notes"],
        reason=result["reason"],
    )


def questions(benched: Sequence[Benched]) -> dict[str, dict[str, str]]:
    """What the documents ask, by benchmark and document, for those that any arm's samples say it of.

    Samples of an earlier version do not.
    """
    found: dict[str, dict[str, str]] = {}
    for one in benched:
        of_benchmark = found.setdefault(one.benchmark, {})
        for sample in one.samples:
            if sample.get("question") is not None:
                of_benchmark[_document(sample)] = sample["question"]
    return found


def _document(sample: Mapping[str, object]) -> str:
    """What a document is joined on."""
    return f"{sample['task']} {sample['doc']} {sample['doc_hash']}"


def averages_of(names: Sequence[str]) -> dict[str, Sequence[str]]:
    """The averages among ``names``, with what each is taken over."""
    return {name: AVERAGES[name] for name in names if name in AVERAGES}
