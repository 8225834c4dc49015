"""Estimates how many requests and tokens benchmarks take, from their known sizes or from the local files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handpicked.bench.catalogue import BENCHMARKS, forward_tokens, tasks_of
from handpicked.bench.loading import check_files
from handpicked.bench.local import LocalData
from handpicked.config import BenchSettings
from handpicked.errors import MissingPart


@dataclass(frozen=True)
class PlannedBenchmark:
    """One benchmark on one arm. ``tokens`` go through the model; everything is None for a task of
    lm-eval's that we do not know.
    """

    benchmark: str
    documents: int | None
    requests: int | None
    tokens: int | None


def planned(names: Sequence[str], settings: BenchSettings) -> list[PlannedBenchmark]:
    """What each task would take. Reads the local files where there are any; does not call the hub."""
    tasks = tasks_of(names)
    try:
        data = check_files(tasks, settings.data)
    except MissingPart:
        data = {}
    return [_one(task, data.get(task), settings.limit) for task in tasks]


def _one(task: str, data: LocalData | None, limit: int | None) -> PlannedBenchmark:
    benchmark = BENCHMARKS.get(task)
    if benchmark is None:
        return PlannedBenchmark(task, None, None, None)
    if data is None:
        groups = {"mmlu": 57, "bbh": 27}.get(task, 1)
        documents = benchmark.size if limit is None else min(benchmark.size, groups * limit)
    else:
        counts: dict[str, int] = {}
        for row in data.rows()[data.evaluated]:
            name = str(row[benchmark.group]) if benchmark.group else ""
            counts[name] = counts.get(name, 0) + 1
        documents = sum(counts.values()) if limit is None else sum(min(limit, n) for n in counts.values())
    return PlannedBenchmark(
        task, documents, documents * benchmark.requests, forward_tokens(benchmark, documents)
    )
