"""The result of a selection: the kept rows, the reasons of the others, and the written folder."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from handpicked._version import __version__
from handpicked.data.layout import CARD
from handpicked.data.reading import read_back
from handpicked.errors import PoolError
from handpicked.guards.drop import Drop
from handpicked.guards.guard import Guard
from handpicked.progress import SILENT, Progress
from handpicked.records import Dropped, Pool, Rejected, SelectionSummary, Unread, to_json
from handpicked.scorers.scorer import ScoreColumn
from handpicked.scorers.stored import Stored
from handpicked.scorers.text.of_part import part_of
from handpicked.selection.audit import Truncation, audit
from handpicked.selection.card import write_card
from handpicked.selection.plan import SelectionPlan
from handpicked.selection.reasons import rejections
from handpicked.selection.scores import ScoredPool
from handpicked.selection.top_rows import TopRows
from handpicked.selectors.selector import Scores, Selector
from handpicked.selectors.topk import numbers
from handpicked.store import digest, write_json, writing
from handpicked.store.outfolder import MANIFEST, filling

FILES = ("selected.jsonl", "selected.parquet", "selected", "scores.parquet", "rejected.jsonl", CARD, MANIFEST)
SKETCHES = ("minhash",)
"""Score columns that mean nothing to a reader, and are not written."""


@dataclass
class Guarded:
    """The scores of a pool with the guards that drop some of its rows. ``rows``
    counts those they let through.
    """

    scored: ScoredPool
    guards: list[Drop] = field(default_factory=list)
    rows: int = 0

    @staticmethod
    def by(scored: ScoredPool, plans: Sequence[Guard]) -> Guarded:
        """Set up the guards one after the other: each looks only at what those before it let through."""
        guarded = Guarded(scored, rows=scored.rows)
        for plan in plans:
            guarded.guards.append(plan.make(guarded.scores()))
            guarded.rows = sum(len(batch) for batch in guarded.batches(()))
        return guarded

    def scores(self) -> Scores:
        """The rows let through so far, for a selector."""
        return Scores(self.batches, self.rows)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Batches of the rows let through."""
        if not self.guards:
            yield from self.scored.batches(columns)
            return
        for batch in self.scored.batches():
            passed = self.first_drop(batch) < 0
            yield batch.filter(pa.array(passed.tolist(), pa.bool_())).select(["row", "id", *columns])

    def first_drop(self, batch: pa.RecordBatch) -> np.ndarray:
        """For each row the place of the first guard that drops it, or -1."""
        first = np.full(len(batch), -1, dtype=np.int32)
        for place, guard in enumerate(self.guards):
            first[(first < 0) & guard.drops(batch)] = place
        return first


@dataclass
class Selection:
    """Which rows of a pool were kept, and of every other row why it was not. Made by ``select``.

    ``rows`` are the kept ones, ascending; ``size`` how many were asked for.
    ``write`` puts the subset on disk.
    """

    plan: SelectionPlan
    scorers: tuple[ScoreColumn, ...]
    guarded: Guarded
    rows: np.ndarray
    size: int
    _top_rows: TopRows | None = None
    _keep_alive: Any = None
    _rejected: list[Rejected] | None = None
    _reasons: Counter[str] | None = None
    _audit: Mapping[str, Any] | None = None

    @property
    def pool(self) -> Pool:
        """What was selected from."""
        return self.plan.pool

    @property
    def selector(self) -> Selector:
        """What chose the rows."""
        return self.plan.selector

    def write(
        self,
        out: str | Path,
        *,
        format: str = "original",
        container: str | None = None,
        truncation: Truncation | None = None,
    ) -> SelectionSummary:
        """Write the subset into the folder ``out``, as ``pick`` does."""
        with filling(Path(out), FILES) as folder:
            self.fill(folder, format, container, truncation)
        return self.summary

    @property
    def summary(self) -> SelectionSummary:
        """What was kept, dropped and rejected, in counts, and the audit where one was made."""
        if self._reasons is None:
            for _ in self.table():
                pass
        assert self._reasons is not None
        return SelectionSummary(
            method=self.selector.name,
            pool=self.pool.rows,
            kept=len(self.rows),
            rejected=len(self.rejected),
            dropped=tuple(Dropped(reason, count) for reason, count in sorted(self._reasons.items())),
            settings={"size": self.size, **_arguments(self.selector), **self._measured},
            audit=self._audit or {},
            rejections=rejections(self.rejected),
            unread=unread_of(self.pool),
        )

    @property
    def _measured(self) -> dict[str, str]:
        """What of a response is measured, where anything of it is."""
        return {"part": self.plan.part} if any(map(part_of, self.plan.texts)) else {}

    @property
    def rejected(self) -> Sequence[Rejected]:
        """The rows that could not be read, in pool order.

        Raises:
            PoolError: the pool changed since it was scored.
        """
        if self._rejected is None:
            expected = self.pool.rows - self.guarded.scored.rows
            found = sorted(self.pool.rejected(), key=lambda one: one.row) if expected else []
            if len(found) != expected:
                raise PoolError(
                    f"the pool changed while it was read: {expected:,} of its "
                    f"{self.pool.rows:,} rows gave no score, but "
                    f"{len(found):,} are unreadable now. Run again when nothing writes to it."
                )
            self._rejected = found
        return self._rejected

    def table(self) -> Iterator[pa.RecordBatch]:
        """Every row of the pool, in order: row, id, scores, kept, reason (null when kept)."""
        reasons: Counter[str] = Counter()
        waiting = list(self.rejected)
        for batch in self.guarded.scored.batches():
            last = batch["row"][-1].as_py()
            before = [one for one in waiting if one.row < last]
            waiting = waiting[len(before) :]
            yield _with_rejected(self._explained(batch, reasons), before)
        if waiting:
            yield _with_rejected(self._explained(_empty(self.guarded.scored.schema), reasons), waiting)
        self._reasons = reasons

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
        """Each reason why rows of the batch could not be chosen at all, and (boolean) which rows."""
        selector: Any = self.selector
        if getattr(selector, "ceiling", None) is not None:
            over = numbers(batch[selector.column], selector.column) > selector.ceiling
            yield f"its {selector.column} is over {selector.ceiling:g}", over
        for name in selector.columns:
            if batch[name].null_count:
                yield from self._missing(name, batch, batch[name].is_null())
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

    def fill(
        self,
        folder: Path,
        format: str = "original",
        container: str | None = None,
        truncation: Truncation | None = None,
        facts: Mapping[str, Any] | None = None,
        progress: Progress = SILENT,
    ) -> None:
        """Write the files of the selection into ``folder``, the manifest last."""
        with writing(folder), ThreadPoolExecutor(1) as beside:
            with (folder / "rejected.jsonl").open("w", encoding="utf-8", errors="replace") as file:
                file.writelines(to_json(one) + "\n" for one in self.rejected)
            inputs = beside.submit(
                self.pool.inputs
            )  # hashes the pool's files, which the manifest will ask for
            scores = beside.submit(self._write_scores, folder / "scores.parquet", progress)
            at_hand = None if self._top_rows is None else self._top_rows.tables
            written = self.pool.write(self.rows.tolist(), folder, format, container, at_hand)
            self._audit = audit(*self._to_audit(written, format), self.plan.tokenizer, truncation)
            for half in (inputs, scores):
                half.result()
            manifest = self._manifest(facts or {})
            write_card(folder, written.name, manifest)
            outputs = {name: digest(folder / name) for name in FILES if (folder / name).exists()}
            write_json(folder / MANIFEST, {**manifest, "outputs": outputs, "versions": versions()})

    def _to_audit(self, written: Path, format: str) -> tuple[Pool, Sequence[int]]:
        """A pool and the rows of it that were kept: the written subset where it can be read as
        the pool is, else the pool.

        The subset is small; reading its rows out of a large pool costs as much as reading all of it.
        """
        subset = (
            read_back(self.pool, written)
            if format == "original" and written.is_file() and len(self.rows)
            else None
        )
        return (self.pool, self.rows.tolist()) if subset is None else (subset, range(subset.rows))

    def _write_scores(self, file: Path, progress: Progress) -> None:
        fields = [one for one in self.guarded.scored.schema if one.name not in SKETCHES]
        schema = pa.schema([*fields, pa.field("kept", pa.bool_()), pa.field("reason", pa.string())])
        # No two rows have equal numbers, and hashes seldom: looking for repeats costs time and gains nothing.
        repeats = [name for name in schema.names if name not in ("row", "id")]
        with (
            pq.ParquetWriter(
                file,
                schema,
                compression="zstd",
                use_dictionary=repeats,
                column_encoding={"row": "DELTA_BINARY_PACKED"},
            ) as writer,
            progress("write", self.pool.rows) as step,
        ):
            for batch in self.table():
                writer.write_batch(batch)
                step(len(batch))

    def _manifest(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        summary = self.summary
        return {
            "handpicked": __version__,
            "pool": pool_described(self.pool),
            "selector": {"name": self.selector.name, **_arguments(self.selector)},
            "counts": {
                "pool": summary.pool,
                "kept": summary.kept,
                "rejected": summary.rejected,
                "dropped": {part.reason: part.rows for part in summary.dropped},
            },
            "rejections": {part.reason: part.rows for part in summary.rejections},
            "scores": [described(scorer) for scorer in self.scorers],
            "guards": [{"name": guard.name, "rule": guard.why} for guard in self.guarded.guards],
            "audit": dict(summary.audit),
            **self.plan.recorded,
            **facts,
        }


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


def _arguments(record: Any) -> dict[str, Any]:
    """The recorded arguments of a scorer or selector, without those too long to repeat (lengths, prompts)."""
    if not is_dataclass(record) or isinstance(record, type):
        return {}
    left_out = ("lengths", "prompts", "without", "file", "missing", "embeddings")
    found = {one.name: getattr(record, one.name) for one in fields(record) if one.name not in left_out}
    return {
        key: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for key, value in found.items()
    }


def unread_of(pool: Pool) -> tuple[Unread, ...]:
    """What the rows of a pool hold that is no part of the conversation, where the pool can tell."""
    told = getattr(pool, "unread", None)
    return () if told is None else tuple(told())


def pool_described(pool: Pool) -> dict[str, Any]:
    """A pool as a manifest names it: its format and why, its rows, its files with their hashes."""
    return {
        "format": pool.format,
        "why": pool.why,
        "rows": pool.rows,
        "not_of_the_conversation": {one.field: one.rows for one in unread_of(pool)},
        "inputs": [dict(one) for one in pool.inputs()],
    }


def described(scorer: ScoreColumn) -> dict[str, Any]:
    """A scorer as a manifest names it: unit, direction, what null means, its arguments and
    its tokenizer's identity.
    """
    described = {
        "name": scorer.name,
        "unit": scorer.unit,
        "better": scorer.better,
        "null": scorer.missing,
        "version": scorer.version,
        **_arguments(scorer),
    }
    part = part_of(scorer)
    return described | scorer.recorded | ({} if part is None else {"part": part})


def versions() -> dict[str, str]:
    """The versions that a selection may depend on."""
    found = {"python": platform.python_version()}
    for name in (
        "pyarrow",
        "numpy",
        "gigatoken",
        "tokenizers",
        "daft",
        "nltk",
        "rensa",
        "torch",
        "transformers",
        "sentence-transformers",
        "faiss-cpu",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
