"""The summary of a subset: what a person should know before training on it."""

from __future__ import annotations

import os
import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from handpicked.catalogue import GUARDS
from handpicked.data.files.large import text_column
from handpicked.data.turn_columns import tool_turns, turn_roles
from handpicked.errors import MissingPart
from handpicked.guards.guard import Guard
from handpicked.guards.lint import FINDING
from handpicked.records import Example, Pool
from handpicked.scorers.scorer import Scorer
from handpicked.selection.guards import plan_guards
from handpicked.selectors.selector import Scores
from handpicked.tokens.tokenizer import load_counter

AUDITED = tuple(name for name, guard in GUARDS.shipped.items() if guard.audited)
"""The guards that an audit looks at, those among them that need an extra where it is installed."""
SAMPLE = 1000
"""Rows that the guards of an audit look at, at most."""
SHOWN = 3
"""Findings of each guard that are named."""
BATCH = 2000
COLUMNS: Mapping[str, tuple[pa.DataType, Callable[[Example], Any]]] = {
    "row": (pa.int64(), lambda example: example.row),
    "id": (pa.string(), lambda example: example.id),
    "prompt": (pa.large_string(), lambda example: example.prompt),
    "response": (pa.large_string(), lambda example: example.response),
    "turn_roles": (pa.string(), lambda example: turn_roles(example.messages)),
    "tool_turns": (pa.large_string(), lambda example: tool_turns(example.messages)),
}
"""The columns of a row that the guards of an audit may read, and how each is made."""


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
    """For each guard with its default settings how many of ``rows`` it would drop, and the most frequent of
    what it found; the guards that lack a part; token lengths; what truncation cuts.

    Of more than ``SAMPLE`` rows the guards look at so many, drawn at random with a fixed seed, and say so;
    truncation is counted on every row. A row that is cut loses its end-of-text token: a model trained on it
    does not learn to stop.
    """
    sample = _sample(rows)
    guards, lacking = audited()
    scorers = {scorer.name: scorer for guard in guards for scorer in guard.scorers}
    tables, lengths = _scored(pool, sample, tokenizer, scorers)
    scores = Scores(lambda columns: (one.select(["row", "id", *columns]) for one in tables), len(sample))
    flagged = {guard.name: _flagged(guard, scores, tables) for guard in guards}
    found: dict[str, Any] = {
        "rows": len(sample),
        "of": len(rows),
        "guards": flagged,
        "not_looked_at": dict(lacking),
        "response_tokens": _spread([response for _, response in lengths]),
    }
    if truncation is not None:
        found["truncation"] = _cut(
            _lengths(pool, rows, tokenizer) if len(sample) < len(rows) else lengths, truncation
        )
    return found


def audited() -> tuple[tuple[Guard, ...], Mapping[str, str]]:
    """The guards of an audit that can work here, and why the others cannot."""
    guards: list[Guard] = []
    lacking: dict[str, str] = {}
    for name in AUDITED:
        try:
            guards += plan_guards([name])
        except MissingPart as error:
            lacking[name] = str(error)
    return tuple(guards), lacking


def _flagged(guard: Guard, scores: Scores, tables: Sequence[pa.RecordBatch]) -> dict[str, Any]:
    """How many rows a guard would drop, why, and the most frequent of what it found, where it says that."""
    drop = guard.make(scores)
    found: dict[str, Any] = {"rows": sum(int(drop.drops(one).sum()) for one in tables), "rule": guard.rule}
    texts = [one.name for one in guard.scorers if one.unit == FINDING]
    if texts:
        counts = Counter(value for one in tables for value in one[texts[0]].drop_null().to_pylist())
        found["found"] = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN])
    return found


def _sample(rows: Sequence[int]) -> Sequence[int]:
    if len(rows) <= SAMPLE:
        return rows
    return sorted(random.Random(0).sample(rows, SAMPLE))


def _scored(
    pool: Pool, rows: Sequence[int], tokenizer: str | None, scorers: Mapping[str, Scorer]
) -> tuple[list[pa.RecordBatch], list[tuple[int, int]]]:
    """The scores that the guards need of these rows, and the tokens of each row's prompt and response."""
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
    """The ``COLUMNS`` of these rows."""
    waiting: list[Any] = []
    for example in pool.examples(rows) if rows else ():
        waiting.append([make(example) for _, make in COLUMNS.values()])
        del example
        if len(waiting) == BATCH:
            yield _batch(waiting)
    if waiting:
        yield _batch(waiting)


def _batch(values: list[Any]) -> pa.RecordBatch:
    columns = [
        text_column(column) if kind == pa.large_string() else pa.array(column, kind)
        for column, (kind, _) in zip(zip(*values, strict=True), COLUMNS.values(), strict=True)
    ]
    values.clear()  # a row may be large
    return pa.RecordBatch.from_arrays(columns, names=list(COLUMNS))


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
