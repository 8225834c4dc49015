"""Runs rows through a model in batches of similar length, with a journal so that a kill loses little."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from handpicked.models.load import device
from handpicked.models.threads import side_by_side
from handpicked.progress import Progress
from handpicked.scorers.lm.batching import BATCH_TOKENS
from handpicked.scorers.pool_scorer import FACTS, truncation, write_scores
from handpicked.store import write_json
from handpicked.store.journal import append, recover

JOURNAL = "rows.jsonl"


@dataclass(frozen=True)
class ModelRow:
    """One row as its model reads it: token ids, and how many tokens were cut off.
    ``reason``: why it gets no value.
    """

    row: int
    ids: Sequence[int] = ()
    truncated: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class RowValues:
    """A line of the journal."""

    row: int
    values: Sequence[float]


Compute = Callable[[Sequence[ModelRow]], Sequence[Sequence[float]]]
"""Values of each row of a batch, in its order. Where the model's passes may run side
by side, so may its calls.
"""


def batches(rows: Iterable[ModelRow], tokens: int | None) -> list[list[ModelRow]]:
    """The rows that can be computed, longest first, in batches of at most ``tokens``
    tokens, padding included.

    ``None``: as many as suit this device.
    A row longer than that is a batch by itself. Rows sort by what they say, so that the batches do not depend
    on the order of the pool, and a resumed run has the same ones.
    """
    limit = BATCH_TOKENS[device()] if tokens is None else tokens
    found: list[list[ModelRow]] = []
    valid = (row for row in rows if row.reason is None)
    for row in sorted(valid, key=lambda one: (-len(one.ids), array("i", one.ids).tobytes(), one.row)):
        last = found[-1] if found else []
        if last and len(last[0].ids) * (len(last) + 1) <= limit:
            last.append(row)
        else:
            found.append([row])
    return found


def packed(ids: Sequence[int]) -> Sequence[int]:
    """The ids in four bytes each, so that those of a whole pool can wait in memory."""
    return array("i", ids)


def compute_rows(
    plan: Sequence[Sequence[ModelRow]],
    journal: Path,
    load: Callable[[], tuple[Any, Compute]],
    progress: Progress,
    label: str,
) -> dict[int, Sequence[float]]:
    """The values of every row of ``plan``. What ``journal`` holds is not computed again;
    nothing left: nothing is loaded.

    ``load`` gives the model and what computes a batch with it.
    Progress is counted in tokens, longest rows first, so that the remaining time is true.
    """
    done: dict[int, Sequence[float]] = {line["row"]: line["values"] for line in recover(journal)}
    todo = [batch for batch in plan if any(row.row not in done for row in batch)]
    total = _tokens(plan)
    with progress(label, total=total) as step:
        step(total - _tokens(todo))
        if not todo:
            return done
        model, compute = load()
        with closing(side_by_side(compute, todo, model)) as made:
            for batch, values in zip(todo, made, strict=True):
                new = [
                    RowValues(row.row, list(one))
                    for row, one in zip(batch, values, strict=True)
                    if row.row not in done
                ]
                append(journal, new)
                done |= {one.row: one.values for one in new}
                step(_tokens([batch]))
    return done


def _tokens(plan: Sequence[Sequence[ModelRow]]) -> int:
    return sum(len(row.ids) for batch in plan for row in batch)


def write_rows(
    work: Path, names: Sequence[str], rows: Sequence[ModelRow], values: dict[int, Sequence[float]]
) -> None:
    """Write the scores of ``rows``: the columns ``names``, of which the last counts the
    tokens that were cut off.
    """
    *computed, truncated = names
    no_number = f"the model gave no number for {computed[0]}"
    reasons, columns = [], [[None] * len(rows) for _ in computed]  # type: list[str | None], list[list[float | None]]
    for place, row in enumerate(rows):
        found = values.get(row.row, ()) if row.reason is None else ()
        good = bool(found) and all(math.isfinite(value) for value in found)
        reasons.append(None if good else row.reason or no_number)
        for column, value in zip(columns, found if good else (), strict=False):
            column[place] = value
    arrays = {name: pa.array(column, pa.float64()) for name, column in zip(computed, columns, strict=True)}
    cut = pa.array([None if row.reason else float(row.truncated) for row in rows], pa.float64())
    table = {
        "row": pa.array([row.row for row in rows], pa.int64()),
        **arrays,
        truncated: cut,
        "reason": pa.array(reasons, pa.string()),
    }
    write_json(work / FACTS, truncation([row.truncated for row in rows if row.reason is None]))
    write_scores(work, pa.table(table))
