"""Runs rows through a model in batches of similar length."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from handpicked.models.load import device
from handpicked.models.threads import side_by_side
from handpicked.records import Example
from handpicked.scorers.lm.batching import BATCH_TOKENS
from handpicked.scorers.part_scorer import summed
from handpicked.workers import with_facts


@dataclass(frozen=True)
class ModelRow:
    """One row as its model reads it: token ids, and how many tokens were cut off.
    ``reason``: why it gets no value.
    """

    row: int
    ids: Sequence[int] = ()
    truncated: int = 0
    reason: str | None = None


Compute = Callable[[Sequence[ModelRow]], Sequence[Sequence[float]]]
"""Values of each row of a batch, in its order. Where the model's passes may run side
by side, so may its calls.
"""


def batches(rows: Iterable[ModelRow], tokens: int | None) -> list[list[ModelRow]]:
    """The rows that can be computed, longest first, in batches of at most ``tokens``
    tokens, padding included.

    ``None``: as many as suit this device. A longer row is a batch of one. Rows sort by what they
    say, so that the batches do not depend on the order of the pool.
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
    """The ids in four bytes each."""
    return array("i", ids)


@dataclass
class ModelRowsWork:
    """Values of the rows of parts, in one worker. ``encode`` is of one row; ``load`` gives the model and what
    computes a batch with it, at first use; ``names`` are the columns, of which the last counts
    the tokens that were cut off; batches are of ``tokens`` tokens (None: as many as suit the device).
    """

    names: Sequence[str]
    encode: Callable[[Example], ModelRow]
    load: Callable[[], tuple[Any, Compute]]
    tokens: int | None = None

    def read(self, section: int, examples: Sequence[Example]) -> list[ModelRow]:
        """See ``RowsWork``."""
        del section
        return [self.encode(example) for example in examples]

    def read_beside(self, section: int, first: int, end: int) -> Any:
        """See ``RowsWork``."""
        raise NotImplementedError("all sections are of rows")

    def compute(self, ready: list[ModelRow], step: Callable[[float], None]) -> pa.Table:
        """See ``RowsWork``."""
        plan = batches(ready, self.tokens)
        values = compute_rows(plan, *self._loaded, step) if plan else {}
        return rows_table(self.names, ready, values)

    @cached_property
    def _loaded(self) -> tuple[Any, Compute]:
        return self.load()


def compute_rows(
    plan: Sequence[Sequence[ModelRow]], model: Any, compute: Compute, step: Callable[[float], None]
) -> dict[int, Sequence[float]]:
    """The values of every row of ``plan``, by row. ``step`` counts rows, weighted by their tokens."""
    found: dict[int, Sequence[float]] = {}
    total = _tokens(plan)
    count = sum(map(len, plan))
    with closing(side_by_side(compute, plan, model)) as made:
        for batch, values in zip(plan, made, strict=True):
            found |= {row.row: list(one) for row, one in zip(batch, values, strict=True)}
            step(count * _tokens([batch]) / total)
    return found


def _tokens(plan: Sequence[Sequence[ModelRow]]) -> int:
    return sum(len(row.ids) for batch in plan for row in batch)


def rows_table(
    names: Sequence[str], rows: Sequence[ModelRow], values: Mapping[int, Sequence[float]]
) -> pa.Table:
    """The table of a part: a row without a finite number for each of the columns ``names`` (but the last, the
    tokens that were cut off) has a reason.
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
    read = [row.truncated for row in rows if row.reason is None]
    return with_facts(pa.table(table), {"rows": sum(cut > 0 for cut in read), "tokens": sum(read)})


def truncation_facts(noted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was cut, of all parts."""
    total = summed(noted)
    return {"truncated": {"rows": total["rows"], "tokens": total["tokens"]}}
