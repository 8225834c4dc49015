"""Every row of a pool with its scores, whether it was kept, and why it was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.records import Rejected
from handpicked.scorers.scorer import ScoreColumn
from handpicked.scorers.stored import Stored
from handpicked.selection.guarded import Guarded
from handpicked.selection.rejected import Following, RejectedRows
from handpicked.selectors.selector import Selector
from handpicked.selectors.topk import numbers

AT_ONCE = 8192
"""Rejected rows that are put at their places among the scores at a time."""
SKETCHES = ("minhash",)
"""Score columns that mean nothing to a reader, and are not written."""


@dataclass(frozen=True)
class ExplainedRows:
    """The scores of a pool with the columns ``kept`` and ``reason``. ``rows`` are the kept ones, ascending;
    ``size`` is how many were requested.
    """

    selector: Selector
    scorers: Sequence[ScoreColumn]
    guarded: Guarded
    rows: np.ndarray
    size: int

    def batches(self, rejected: RejectedRows, reasons: Counter[str]) -> Iterator[pa.RecordBatch]:
        """Every row of the pool, in order: row, id, scores, kept, reason (null when kept). Rejected rows have
        no id and are not counted in ``reasons``.
        """
        waiting = Following(rejected)
        for batch in self.guarded.scored.batches():
            rest = self._explained(batch, reasons)
            while len(before := waiting.before(batch["row"][-1].as_py(), AT_ONCE)) == AT_ONCE:
                cut = int(np.searchsorted(rest["row"].to_numpy(), before[-1].row))
                yield _with_rejected(rest.slice(0, cut), before)
                rest = rest.slice(cut)
            yield _with_rejected(rest, before)
        nothing = self._explained(_empty(self.guarded.scored.schema), reasons)
        while more := waiting.before(None, AT_ONCE):
            yield _with_rejected(nothing, more)

    def _explained(self, batch: pa.RecordBatch, reasons: Counter[str]) -> pa.RecordBatch:
        """The batch with its columns ``kept`` and ``reason``; adds to the counts of ``reasons``."""
        rows = batch["row"].to_numpy()
        kept = (
            np.isin(rows, self.rows[slice(*np.searchsorted(self.rows, (rows[0], rows[-1] + 1)))])
            if len(rows)
            else rows > 0
        )
        texts = [self.selector.why_not(self.size)]
        codes = np.zeros(len(batch), dtype=np.int32)
        for why, unfit in self._unfit(batch):
            codes[unfit] = len(texts)
            texts.append(why)
        if self.guarded.guards:
            first = self.guarded.first_drop(batch)
            codes[first >= 0] = first[first >= 0] + len(texts)
            texts += [f"{guard.name}: {guard.why}" for guard in self.guarded.guards]
        for code, count in enumerate(np.bincount(codes[~kept], minlength=len(texts)).tolist()):
            reasons.update({texts[code]: count} if count else {})
        # From their buffers: pa.array of a NumPy array imports pandas where that is installed.
        bits, dropped = (pa.py_buffer(np.packbits(mask, bitorder="little")) for mask in (kept, ~kept))
        chosen = pa.Array.from_buffers(pa.int32(), len(batch), [dropped, pa.py_buffer(codes)])
        reason = pa.array(texts, pa.string()).take(chosen)
        shown = [name for name in batch.schema.names if name not in SKETCHES]
        marked = pa.Array.from_buffers(pa.bool_(), len(batch), [None, bits])
        columns = [*(batch[name] for name in shown), marked, reason]
        return pa.RecordBatch.from_arrays(columns, names=[*shown, "kept", "reason"])

    def _unfit(self, batch: pa.RecordBatch) -> Iterator[tuple[str, np.ndarray]]:
        """Each reason why rows of the batch were ineligible, and (boolean) which rows."""
        selector: Any = self.selector
        if getattr(selector, "ceiling", None) is not None:
            over = numbers(batch[selector.column], selector.column) > selector.ceiling
            yield f"its {selector.column} is over {selector.ceiling:g}", over
        ranked = (getattr(selector, "column", None), getattr(selector, "ranked", None))
        for name in selector.columns:
            nulls = batch[name].is_null()
            if name in ranked:  # a text may hold no number either
                bits = np.packbits(np.isnan(numbers(batch[name], name)), bitorder="little")
                nulls = pa.Array.from_buffers(pa.bool_(), len(batch), [None, pa.py_buffer(bits)])
            if nulls.true_count:
                yield from self._missing(name, batch, nulls)
        if getattr(selector, "embeddings", None) is not None:
            yield (
                "no embedding: none was given for the row",
                ~selector.embeddings.has(batch["row"].to_numpy()),
            )

    def _missing(
        self, column: str, batch: pa.RecordBatch, nulls: pa.Array
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Each reason why a value of ``column`` is null, and (boolean) of which rows."""
        scorer = next((one for one in self.scorers if one.name == column), None)
        if isinstance(scorer, Stored) and scorer.reasons is not None:
            reasons = batch[scorer.reasons]
            for why in reasons.filter(nulls).unique().to_pylist():
                of_reason = pc.and_(nulls, pc.fill_null(pc.equal(reasons, why), False))
                yield f"no {column}: {why}", of_reason.to_numpy(zero_copy_only=False)
            return
        why = "the field is empty" if scorer is None else scorer.missing
        yield f"no {column}: {why}", nulls.to_numpy(zero_copy_only=False)


def _with_rejected(batch: pa.RecordBatch, rejected: Sequence[Rejected]) -> pa.RecordBatch:
    """The batch with the rejected rows at their places: no id, no score, and the reason."""
    if not rejected:
        return batch

    more = {
        "row": pa.array([one.row for one in rejected], pa.int64()),
        "kept": pa.array([False] * len(rejected)),
        "reason": pa.array([f"rejected: {one.reason}" for one in rejected]),
    }
    columns = [more.get(one.name, pa.nulls(len(rejected), one.type)) for one in batch.schema]
    return pa.concat_batches([batch, pa.RecordBatch.from_arrays(columns, schema=batch.schema)]).sort_by("row")


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], one.type) for one in schema], schema=schema)
