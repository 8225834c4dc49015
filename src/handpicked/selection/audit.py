"""The summary of a subset: what a person should know before training on it."""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from handpicked.data.large import text_column
from handpicked.records import Pool
from handpicked.selection.guards import plan_guards
from handpicked.selectors.selector import Scores
from handpicked.tokens.tokenizer import load_counter

AUDITED = ("repetition", "compressibility", "cut-off", "duplicates", "near-duplicates")
SAMPLE = 1000
"""Rows that the guards of an audit look at, at most."""
BATCH = 2000


@dataclass(frozen=True)
class Truncation:
    """A trainer that keeps the first ``max_length`` tokens of an example.

    ``overhead``: tokens that its template adds to prompt and response, the end-of-text token included.
    """

    max_length: int
    overhead: int = 1


def audit(
    pool: Pool, rows: Sequence[int], tokenizer: str | None, truncation: Truncation | None
) -> dict[str, Any]:
    """For each guard with its default limit how many of ``rows`` it would drop; token
    lengths; what truncation cuts.

    Of more than ``SAMPLE`` rows the guards look at so many, drawn at random with a fixed seed, and say so;
    truncation is counted on every row. A row that is cut loses its end-of-text token: a model trained on it
    does not learn to stop.
    """
    sample = _sample(rows)
    tables, lengths = _scored(pool, sample, tokenizer)
    scores = Scores(lambda columns: (one.select(["row", "id", *columns]) for one in tables), len(sample))
    flagged: dict[str, Any] = {}
    for plan in plan_guards(AUDITED):
        guard = plan.make(scores)
        flagged[plan.name] = {"rows": sum(int(guard.drops(one).sum()) for one in tables), "rule": plan.rule}
    found: dict[str, Any] = {
        "rows": len(sample),
        "of": len(rows),
        "guards": flagged,
        "response_tokens": _spread([response for _, response in lengths]),
    }
    if truncation is not None:
        found["truncation"] = _cut(
            _lengths(pool, rows, tokenizer) if len(sample) < len(rows) else lengths, truncation
        )
    return found


def _sample(rows: Sequence[int]) -> Sequence[int]:
    if len(rows) <= SAMPLE:
        return rows
    return sorted(random.Random(0).sample(rows, SAMPLE))


def _scored(
    pool: Pool, rows: Sequence[int], tokenizer: str | None
) -> tuple[list[pa.RecordBatch], list[tuple[int, int]]]:
    """The scores that the guards need of these rows, and the tokens of each row's prompt and response."""
    scorers = {scorer.name: scorer for plan in plan_guards(AUDITED) for scorer in plan.scorers}
    tables: list[pa.RecordBatch] = []
    lengths: list[tuple[int, int]] = []
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for batch in _texts(pool, rows):
            counted = threads.submit(_counted, batch, tokenizer)
            scored = {name: threads.submit(scorer, batch) for name, scorer in scorers.items()}
            lengths += counted.result()
            values = {name: one.result() for name, one in scored.items()}
            tables.append(pa.record_batch({"row": batch["row"], "id": batch["id"], **values}))
    return tables, lengths


def _lengths(pool: Pool, rows: Sequence[int], tokenizer: str | None) -> list[tuple[int, int]]:
    return [one for batch in _texts(pool, rows) for one in _counted(batch, tokenizer)]


def _counted(batch: pa.RecordBatch, tokenizer: str | None) -> list[tuple[int, int]]:
    """Tokens of prompt and response of each row."""
    counter = load_counter(tokenizer)
    return list(
        zip(*(counter.count(batch[column]).to_pylist() for column in ("prompt", "response")), strict=True)
    )


def _texts(pool: Pool, rows: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Row, id, prompt and response of these rows."""
    waiting: list[Any] = []
    names = ("row", "id", "prompt", "response")
    types = (pa.int64(), pa.string(), pa.large_string(), pa.large_string())
    for example in pool.examples(rows) if rows else ():
        waiting.append([getattr(example, name) for name in names])
        del example
        if len(waiting) == BATCH:
            yield _batch(waiting, names, types)
    if waiting:
        yield _batch(waiting, names, types)


def _batch(values: list[Any], names: Sequence[str], types: Sequence[pa.DataType]) -> pa.RecordBatch:
    columns = [
        text_column(column) if kind == pa.large_string() else pa.array(column, kind)
        for column, kind in zip(zip(*values, strict=True), types, strict=True)
    ]
    values.clear()  # a row may be large
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def _spread(values: Sequence[int]) -> dict[str, float | None]:
    """Least, median, mean and most; null for no values."""
    if not values:
        return {"least": None, "median": None, "mean": None, "most": None}
    return {
        "least": min(values),
        "median": statistics.median(values),
        "mean": round(statistics.fmean(values), 2),
        "most": max(values),
    }


def _cut(lengths: Sequence[tuple[int, int]], truncation: Truncation) -> dict[str, int]:
    over = [
        (prompt + response + truncation.overhead - truncation.max_length, response)
        for prompt, response in lengths
    ]
    return {
        "max_length": truncation.max_length,
        "overhead": truncation.overhead,
        "rows": len(lengths),
        "cut_and_lose_end_of_text": sum(excess > 0 for excess, _ in over),
        "lose_whole_response": sum(excess > response for excess, response in over),
        "tokens_lost": sum(max(excess, 0) for excess, _ in over),
    }
