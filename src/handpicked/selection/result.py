"""The result of a selection: the kept rows, the reasons of the others, and the written folder."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from handpicked._version import __version__
from handpicked.catalogue import TRAINERS
from handpicked.config import TrainSettings
from handpicked.data import taken
from handpicked.data.layout import CARD
from handpicked.data.reading import read_back
from handpicked.errors import StoreError
from handpicked.exports.write import Export, Exported, write_export
from handpicked.progress import SILENT, Progress
from handpicked.records import Dropped, Example, Pool, SelectionSummary
from handpicked.scorers.scorer import ScoreColumn
from handpicked.scorers.text.of_part import part_of
from handpicked.selection import subset_page
from handpicked.selection.audit import Truncation, audit
from handpicked.selection.card import write_card
from handpicked.selection.described import arguments, described, pool_described, unread_of, versions
from handpicked.selection.explained_rows import SKETCHES, ExplainedRows
from handpicked.selection.guarded import Guarded
from handpicked.selection.hub import push
from handpicked.selection.notebook import shown
from handpicked.selection.plan import SelectionPlan
from handpicked.selection.rejected import NAME as REJECTED
from handpicked.selection.rejected import RejectedRows
from handpicked.selection.top_rows import TopRows
from handpicked.selectors.selector import Selector
from handpicked.store import digest, write_json, write_text, writing
from handpicked.store.outfolder import MANIFEST, filling

PAGE = "report.html"
FILES = (
    "selected.jsonl", "selected.parquet", "selected", "scores.parquet", REJECTED, CARD, PAGE, MANIFEST
)  # fmt: skip


@dataclass(frozen=True)
class Form:
    """How a subset is written."""

    format: str = "original"
    """``original`` (the rows and fields as they came), ``alpaca``, ``sharegpt``, ``messages`` or ``trl``."""
    container: str | None = None
    """``jsonl``, ``parquet`` or ``datasets``. None: that of the pool."""
    truncation: Truncation | None = None
    """A maximum sequence length, to count the selected rows that it would cut."""
    exports: tuple[Export, ...] = ()
    """Other trainers to write rows and a config for, each into a folder of its name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The files and folders that may be written, the manifest last."""
        exported = dict.fromkeys((*TRAINERS.shipped, *(one.trainer.name for one in self.exports)))
        return (*FILES[:-1], *exported, MANIFEST)


def export_for(trainer: str, settings: TrainSettings | None = None) -> Export:
    """An export for the trainer of that name, with handpicked's default settings unless others are given.

    Raises ConfigError for a trainer that is not known and for settings that its config cannot say.
    """
    return Export(TRAINERS.find(trainer, "--export")(), settings or TrainSettings())


@dataclass(eq=False, repr=False)
class Selection:
    """Which rows of a pool were kept, and why every other row was not. Made by ``select``.

    ``rows`` are the numbers of the kept rows in the pool, ascending; ``size`` is how many were requested. Its
    length is that of ``rows``, and iterating gives the kept Examples. ``to_pandas``, ``to_polars``,
    ``to_dataset``, ``to_arrow`` and ``to_list`` give the kept rows with all of their columns, as they came;
    ``write`` puts the subset on disk.
    """

    plan: SelectionPlan
    scorers: tuple[ScoreColumn, ...]
    guarded: Guarded
    rows: np.ndarray
    size: int
    _top_rows: TopRows | None = None
    _keep_alive: Any = None
    _rejected: RejectedRows | None = None
    _reasons: Counter[str] | None = None
    _audit: Mapping[str, Any] | None = None
    _exported: tuple[Exported, ...] = ()

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
        export: str | Sequence[str] = (),
    ) -> SelectionSummary:
        """Write the subset into the folder ``out``, as ``handpicked select`` does; see ``Form`` for how.
        ``export`` names trainers that get a folder of their own in it, with handpicked's default settings.
        """
        trainers = [export] if isinstance(export, str) else export
        form = Form(format, container, truncation, tuple(export_for(one) for one in trainers))
        with filling(Path(out), form.names) as folder:
            self.fill(folder, form)
        return self.summary

    def export(self, trainer: str, out: str | Path, train: TrainSettings | None = None) -> Exported:
        """Write the rows as ``trainer`` reads them (``llama-factory``, ``axolotl``, ``ms-swift``, ``trl``,
        ``unsloth``, ``open-instruct``, ``FILE.py:CLASS``) and its config with the settings ``train`` into the
        folder ``out``, which must be new or empty.

        Raises:
            ConfigError: an unknown trainer, or settings that its config cannot say.
            StoreError: ``out`` holds something, or cannot be written.
        """
        made = export_for(trainer, train)
        with writing(Path(out)):
            if Path(out).exists() and any(Path(out).iterdir()):
                raise StoreError(f"{out} is not empty. Choose a new folder, so that nothing is overwritten.")
            return self._export(made, Path(out))

    def _export(self, made: Export, folder: Path) -> Exported:
        return write_export(made, iter(self), getattr(self.pool, "turns", "last"), folder)

    @property
    def summary(self) -> SelectionSummary:
        """How many rows were kept, dropped and rejected, and the audit where one was made."""
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
            settings={"size": self.size, **arguments(self.selector), **self._measured},
            audit=self._audit or {},
            rejections=self.rejected.reasons.dropped(),
            unread=unread_of(self.pool),
            exports={one.trainer: one.described() for one in self._exported},
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Example]:
        return self.pool.examples(self.rows.tolist())

    def __repr__(self) -> str:
        kept, read = len(self.rows), self.guarded.scored.rows
        return (
            f"<Selection of {kept:,} of {self.pool.rows:,} rows by {self.selector.name}: {read - kept:,} "
            f"dropped, {self.pool.rows - read:,} rejected>"
        )

    def _repr_html_(self) -> str:
        return shown(self)

    @cached_property
    def scores(self) -> pa.Table:
        """Every row of the pool, in order: row, id, its scores, kept, and the reason if it was not kept. A
        rejected row has no id.
        """
        return pa.Table.from_batches(self.table())

    @property
    def kept(self) -> pa.Table:
        """The lines of ``scores`` that were kept: row, id, scores."""
        return self.scores.filter(pc.field("kept")).drop_columns(["kept", "reason"])

    @property
    def dropped(self) -> pa.Table:
        """The lines of ``scores`` that could be read and were not kept: row, id, scores, reason."""
        return self.scores.filter(~pc.field("kept") & pc.field("id").is_valid()).drop_columns(["kept"])

    def to_list(self) -> list[dict[str, Any]]:
        """The kept rows as dictionaries."""
        return taken.to_list(self.pool, self.rows)

    def to_arrow(self) -> pa.Table:
        """The kept rows as an Arrow table. Raises PoolError where no schema fits them all."""
        return taken.to_arrow(self.pool, self.rows)

    def to_pandas(self) -> Any:
        """The kept rows as a pandas DataFrame, with the index of one that was given. Raises MissingPart."""
        return taken.to_pandas(self.pool, self.rows)

    def to_polars(self) -> Any:
        """The kept rows as a polars DataFrame. Raises MissingPart, and PoolError as ``to_arrow``."""
        return taken.to_polars(self.pool, self.rows)

    def to_dataset(self) -> Any:
        """The kept rows as a ``datasets.Dataset``. Raises MissingPart, and PoolError as ``to_arrow``."""
        return taken.to_dataset(self.pool, self.rows)

    def push_to_hub(self, name: str) -> str:
        """Upload the subset, as ``write`` leaves it, to the private data set ``name``; returns a sentence
        that says so.

        Raises MissingPart where the hub's client is missing or refuses.
        """
        with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
            self.write(folder)
            return push(Path(folder), name)

    @property
    def _measured(self) -> dict[str, str]:
        """The part of the response that is measured, if any."""
        return {"part": self.plan.part} if any(map(part_of, self.plan.texts)) else {}

    @property
    def rejected(self) -> RejectedRows:
        """The rows that could not be read, in pool order: a sequence whose lines are in a file. Raises:
        PoolError: the pool changed since it was scored.
        """
        if self._rejected is None:
            scored = self.guarded.scored
            self._rejected = RejectedRows.found(self.pool, scored.rows, scored.file.with_name(REJECTED))
        return self._rejected

    def table(self) -> Iterator[pa.RecordBatch]:
        """Every row of the pool, in order: row, id, scores, kept, reason (null when kept)."""
        reasons: Counter[str] = Counter()
        explained = ExplainedRows(self.selector, self.scorers, self.guarded, self.rows, self.size)
        yield from explained.batches(self.rejected, reasons)
        self._reasons = reasons

    def fill(
        self,
        folder: Path,
        form: Form = Form(),
        facts: Mapping[str, Any] | None = None,
        progress: Progress = SILENT,
    ) -> None:
        """Write the files of the selection into ``folder``, the manifest last."""
        with writing(folder), ThreadPoolExecutor(1) as beside:
            self.rejected.copy_to(folder)
            inputs = beside.submit(
                self.pool.inputs
            )  # hashes the pool's files, which the manifest will ask for
            scores = beside.submit(self._write_scores, folder / "scores.parquet", progress)
            tables = None if self._top_rows is None else self._top_rows.tables
            written = self.pool.write(self.rows.tolist(), folder, form.format, form.container, tables)
            at_hand, places = self._kept_in(written, form.format)
            self._audit = audit(at_hand, places, self.plan.tokenizer, form.truncation)
            self._exported = tuple(self._export(one, folder / one.trainer.name) for one in form.exports)
            for half in (inputs, scores):
                half.result()
            manifest = self._manifest(facts or {})
            write_card(folder, written.name, manifest)
            write_text(folder / PAGE, subset_page.page(self, at_hand, places, manifest, versions()))
            outputs = {name: digest(folder / name) for name in form.names if (folder / name).exists()}
            write_json(folder / MANIFEST, {**manifest, "outputs": outputs, "versions": versions()})

    def _kept_in(self, written: Path, format: str) -> tuple[Pool, Sequence[int]]:
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
            "selector": {"name": self.selector.name, **arguments(self.selector)},
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
            **({"exports": dict(summary.exports)} if summary.exports else {}),
            **self.plan.recorded,
            **facts,
        }
